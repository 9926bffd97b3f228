"""Checkpoints that others published: read without running code, their wrappings undone."""

from dwlt.checkpoints.choose import Choice, choose
from dwlt.checkpoints.entries import Entry, entries_of
from dwlt.checkpoints.names import NameMatch, find_match, head_rows
from dwlt.checkpoints.normaliser import Lifted, check_units, lift
from dwlt.checkpoints.read import read_checkpoint

__all__ = [
    "Choice",
    "Entry",
    "Lifted",
    "NameMatch",
    "check_units",
    "choose",
    "entries_of",
    "find_match",
    "head_rows",
    "lift",
    "read_checkpoint",
]
