"""What a data set itself gives away: test rows seen in training, ties, near-atoms, dependence.

One report per data set, `results/data/<data set>.json` (docs/data-reports.md), and its card.
`report`, `refresh`, `card` and `catalogue` are free of torch; models may not import any of this,
for it opens the test split.
"""
