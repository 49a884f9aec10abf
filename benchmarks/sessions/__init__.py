"""Every retriever and their blend on anonymous sessions: the next item of each prefix, full catalog."""
