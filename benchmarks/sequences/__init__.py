"""Every retriever and their blend on one file of sequences, full-catalog ranking, leave-one-out."""
