"""Fitting of the blend: never imported by what serves."""
