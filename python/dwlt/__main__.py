"""``python -m dwlt``: the same as the ``dwlt`` command."""

from dwlt.cli import main

if __name__ == "__main__":
    main()
