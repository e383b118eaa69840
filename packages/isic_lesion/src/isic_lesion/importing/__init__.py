"""Pictures and tables from elsewhere, made into a folder in the contest's layout."""
