"""Published data sets as sources: a preset for each says where it is, what it may be used for and how it is mapped."""
