"""Checkpoints: which there are, of what family, and how they are loaded."""
