"""Gates: policies and evidence in, a decision that a person can read out."""
