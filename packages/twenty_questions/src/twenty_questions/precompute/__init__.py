"""The whole offline half from one recipe: keywords, questions, and the table of answers."""
