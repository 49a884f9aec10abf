"""How long the whole feature build takes, and in how much memory, beside pandas, Polars and Spark."""
