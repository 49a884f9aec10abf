"""How good a ranked list was, for whom, and how sure that is."""
