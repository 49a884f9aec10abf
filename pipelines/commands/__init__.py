"""The commands of `shoploop`, one module per group."""
