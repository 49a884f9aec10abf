"""Watching what is served: skew between the endpoint and the offline build."""
