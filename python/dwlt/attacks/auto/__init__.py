"""AutoAttack (Croce and Hein, ICML 2020): the reference's four attacks under a driver of our own.

The attack objects of ``pyautoattack`` are called unchanged. The driver adds what the package
lacks: fixed shards, each with its own seed; random state and parameters that are left alone; any
number of classes; and samples that leave the batch once they are fooled.
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
