"""A folder in the contest's layout: what it holds, how it is read, and what can be wrong with it."""
