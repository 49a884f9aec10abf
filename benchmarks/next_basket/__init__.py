"""Next week's basket, week after week: the product's own stages in a workspace each, and TIFU-kNN beside them."""
