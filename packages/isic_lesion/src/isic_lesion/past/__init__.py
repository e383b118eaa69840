"""Earlier contests: their lesions in this contest's columns, and what they know of its patients."""
