"""What `tools/measure_learning.py` measures with: concepts, pictures of them, scores, and the report."""
