"""`furikaeri bench`: every benchmark by one command, and two runs of it side by side.

In the order of the data: listing -> needs -> running -> results -> comparing -> tables -> showing, and command on top.
"""
