"""Data sets of a user's own files, each described by an entry: `datasets/NAME.toml`.

docs/adding-a-data-set.md says what an entry may state. All of this package is part of the source of
the cells that meet such a data set; what proposes an entry is in `bench.datasets.adding`.
"""
