"""Features: one SQL view per file, and the pure functions that training and serving share."""
