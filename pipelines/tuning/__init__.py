"""Searches for the choices of a model, on weeks that come before the decision."""
