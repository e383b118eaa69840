"""Table models as folders: trained from features on disk, opened to score, and asked what they use."""
