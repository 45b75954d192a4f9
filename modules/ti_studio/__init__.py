"""Textual Inversion Studio: teaches Stable Diffusion a new word from a folder of pictures, and lets prompts use it."""

__version__ = "0.2.0"
