"""Trained nflows 0.14 flows as in-house ones."""
