"""Initialization texts ranked by the denoising loss on the pictures."""
