"""Adapters from a shop's own data to the contracts."""
