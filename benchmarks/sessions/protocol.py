"""What is asked of sessions: choices by MRR@20 on the last training sessions, then the test file, once."""

from benchmarks.sequences.findings import Asked, Protocol

VALIDATION = Asked("earlier_sessions", "validation")
TEST = Asked("all_sessions", "test")
PROTOCOL = Protocol("mrr_at_20", VALIDATION, (TEST,))
