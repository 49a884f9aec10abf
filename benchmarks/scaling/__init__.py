"""Loss and NDCG of the attention retriever by its size and by its data."""
