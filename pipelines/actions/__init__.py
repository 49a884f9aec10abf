"""Actions touch the world (registry, ledger, Bento store, traffic): idempotent, never in dvc.yaml."""
