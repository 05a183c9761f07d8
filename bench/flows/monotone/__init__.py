"""Increasing maps of one variable: splines, mixtures, sigmoids, fitted marginals."""
