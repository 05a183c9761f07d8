"""The battery: what a reported likelihood and a sampler must satisfy before a row is ranked.

One file per check, each a plugin as models are: a function marked `@check`, found by reading its
source (`bench.registry`). Questions, statistics, thresholds and blind spots: docs/checks.md.
"""
