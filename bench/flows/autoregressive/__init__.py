"""Masked networks and the maps that they drive, in either direction."""
