"""Kernels and their implementations: one file per kernel."""
