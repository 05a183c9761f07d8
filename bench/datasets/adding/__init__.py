"""Looks at a user's file and proposes its entry: what `bench data add` does.

No cell depends on this: an entry, once written, alone determines the data.
"""
