"""Text of the catalog: tokens and the search index. Serving reads it; NumPy and the standard library only."""
