"""Ordering the catalog for one shopper; what is imported here runs in a Bento with numpy alone."""
