"""Noise and the denoising loss."""
