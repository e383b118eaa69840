"""One belief over who answers and what the secret is, and questions of every kind scored by it."""
