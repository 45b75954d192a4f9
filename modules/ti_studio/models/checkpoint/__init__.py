"""Checkpoint files and folders: which model they hold, and their weights."""
