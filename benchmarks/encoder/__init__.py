"""The trained network at batch 1: NumPy as it serves, beside TensorFlow and LiteRT."""
