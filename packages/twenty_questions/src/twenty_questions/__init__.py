"""LLM 20 Questions: ask by information gain, answer by rules and votes, and play by the game's own rules."""
