"""Load on an endpoint: requests at a fixed rate, and what came of them."""
