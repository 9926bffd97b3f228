"""The command line. Commands are thin: parse, call a stage, show."""

from dwlt.cli.root import main

__all__ = ["main"]
