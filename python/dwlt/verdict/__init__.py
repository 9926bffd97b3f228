"""Statistics and rules: is a ticket a double win, and how sparse is the sparsest one.

Pure: no files, no torch, no printing. ``outcomes`` is the input, ``judge`` the way in,
``sequential`` and ``frontier`` spend seeds with the error held. What each rule is, why, and how
often it errs: ``docs/protocol.md``.
"""
