"""Pictures, captions, buckets and latents."""
