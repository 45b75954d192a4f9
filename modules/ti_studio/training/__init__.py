"""Learning the rows of a word from pictures."""
