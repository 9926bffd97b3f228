"""The stages of an experiment. They compute and commit; they never print."""
