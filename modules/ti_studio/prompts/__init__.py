"""A prompt's way to the UNet: text, spans with weights, chunks of 75 tokens with embeddings in them, tensors."""
