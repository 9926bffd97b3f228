"""Checkpoints that others published: read without running code, their wrappings undone."""

from dwlt.published.choose import Choice, choose
from dwlt.published.entries import Entry, entries_of
from dwlt.published.names import Match, find_match, head_rows
from dwlt.published.normaliser import Lifted, check_units, lift
from dwlt.published.read import read_checkpoint

__all__ = [
    "Choice",
    "Entry",
    "Lifted",
    "Match",
    "check_units",
    "choose",
    "entries_of",
    "find_match",
    "head_rows",
    "lift",
    "read_checkpoint",
]
