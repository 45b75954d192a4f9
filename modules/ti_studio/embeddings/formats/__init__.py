"""Embedding files: every layout that is read and written."""
