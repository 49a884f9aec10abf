"""Candidate generators as they serve (NumPy alone); how they are fitted is in ``fitting``."""
