"""Optimizers of embedding vectors, their schedules, their state and the average of their steps."""
