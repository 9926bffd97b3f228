"""Several processes, a device each, that work on one training or evaluation."""

from dwlt.ranks.group import ALONE, Group, Order, Ranks, RecalledError
from dwlt.ranks.launch import joined, launched, own_rank
from dwlt.ranks.lost import RankError

__all__ = [
    "ALONE",
    "Group",
    "Order",
    "RankError",
    "Ranks",
    "RecalledError",
    "joined",
    "launched",
    "own_rank",
]
