"""One score out of many models': ranks, weights, and what they are worth on lesions that were held out."""
