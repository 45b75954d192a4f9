"""The embedding a training starts from and the file it writes."""
