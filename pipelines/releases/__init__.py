"""What is live, who moved it, and the process that serves it."""
