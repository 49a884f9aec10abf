"""Offline half of shoploop: data, features, models, gates and releases."""
