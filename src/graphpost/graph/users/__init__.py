"""Users of the directory, and what is asked of them."""
