"""Do tests notice a wrong protocol? Sources are changed on a copy, and nearby tests must fail.

Two kinds of changes ("mutants"): named ones, written by hand, each a protocol that would give wrong
numbers without a word (`protocol.toml`); and automatic ones, made by the operators of cosmic-ray
(`automatic.py`) in the modules that `modules.toml` lists with their tests.
"""
