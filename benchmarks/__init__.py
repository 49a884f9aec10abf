"""Each module is one command that measures one thing beside a peer."""
