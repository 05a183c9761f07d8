"""Flows of ordinary differential equations."""
