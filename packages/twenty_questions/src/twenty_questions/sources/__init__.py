"""Where keywords come from."""
