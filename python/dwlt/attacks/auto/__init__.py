"""AutoAttack (Croce and Hein, ICML 2020): the reference's four attacks under a driver of our own.

The attack objects of ``pyautoattack`` are sound and are called as they are; what is around them
here cures the rest: fixed shards with seeds of their own, random state and parameters left
alone, any number of classes, and fooled samples that leave.
"""

from dwlt.attacks.auto.driver import attack_shard
from dwlt.attacks.auto.package import (
    SUITE,
    VERSION,
    require_package,
    suite_for,
    targets,
)

__all__ = ["SUITE", "VERSION", "attack_shard", "require_package", "suite_for", "targets"]
