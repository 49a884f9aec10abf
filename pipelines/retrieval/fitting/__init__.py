"""Fitting of the candidate generators: never imported by what serves."""
