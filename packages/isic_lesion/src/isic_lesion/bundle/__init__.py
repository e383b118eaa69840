"""A finished run as one file that scores lesions offline, and the proof that it does."""
