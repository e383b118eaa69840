"""Where questions come from, and which of them to keep."""
