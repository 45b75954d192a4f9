"""The folder of embeddings as a list that follows changes on disk."""
