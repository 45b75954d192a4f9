"""How long any text in a request may be."""

MOST_CHARACTERS = 100_000
"""What is a prompt or a caption may be no longer than that allows; this holds for all else that is written."""
