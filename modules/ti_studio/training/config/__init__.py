"""What a training is asked for: the request, its groups of options and the presets."""
