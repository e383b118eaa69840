"""The commands of `tq`: play, match, simulate, and the answer table."""
