"""What answerers, guessers and whole games are worth, measured."""
