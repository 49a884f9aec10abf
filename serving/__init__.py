"""What runs inside a Bento: the data plane, the shopper state and the model's front door."""
