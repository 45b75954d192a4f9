"""The parts of `tools/benchmark_library.py`: the files, the loader to compare with, and what is measured."""
