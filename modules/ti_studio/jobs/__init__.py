"""Trainings as jobs: a folder each, a process each, one at a time."""
