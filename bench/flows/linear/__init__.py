"""Linear maps with a cheap determinant."""
