"""Operating characteristics of the verdict: how often each rule errs, and how often it sees.

One file per question, each a function from a scene and a number of repetitions to plain figures;
``benchmarks.verdict`` runs them, ``table`` writes the tables of docs/protocol.md.
"""
