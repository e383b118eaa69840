"""Models that look at a lesion's picture alone, and whose out-of-fold scores the table models and the stack take up.

    rows -> epochs -> pictures (augmented) -> network -> objectives -> fitting -> scoring -> model folder

Everything random is drawn from `streams`, as a function of seeds and positions, never from what was drawn before.
"""
