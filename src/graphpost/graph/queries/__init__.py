"""Query options put to entities: which, in which order, how many, page by page."""
