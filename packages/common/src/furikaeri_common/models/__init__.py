"""Language models: where they are, how they are loaded or reached, which of them are held in memory."""
