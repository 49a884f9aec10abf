"""The endpoint under load, beside the same model as a plain BentoML service."""
