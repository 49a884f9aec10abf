"""Sequence retrievers in Keras and TensorFlow: the only room for them besides ``fitting``."""
