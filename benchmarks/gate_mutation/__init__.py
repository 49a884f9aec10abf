"""The gates under attack: sabotages that are really carried out, and honest retrainings beside them."""
