"""In-house models, each a plugin like any other; files that start with `_` are shared parts."""
