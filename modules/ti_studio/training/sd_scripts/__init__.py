"""sd-scripts' command lines and dataset files, translated into a TrainRequest."""
