"""The table of everyday things that ships with the package, and the readable knowledge it is built from."""
