"""The battery's own error rates: planted cheats and honest models through every check.

`bench check --calibrate` runs them (`run`), and prints which check sees which cheat, and how often
an honest model fails or stays inconclusive (`table`). The cases know no check by its code: whatever
is registered is run.
"""
