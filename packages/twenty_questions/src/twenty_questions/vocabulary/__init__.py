"""A vocabulary of physical things: names from many sources, a learned prior over them, and one compact file."""
