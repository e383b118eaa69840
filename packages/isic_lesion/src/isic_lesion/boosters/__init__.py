"""Table models on arrays: what they are trained with, their training in rounds, and their files."""
