"""What `tools/benchmark_training.py` compares, and how."""
