"""The product's whole loop over real weeks, under load: released, refused and taken back."""
