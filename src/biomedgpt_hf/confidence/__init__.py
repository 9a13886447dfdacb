"""How right an answer is likely to be: the signs of an answer, and a fit that makes a calibrated confidence of them.

What the fit is made of, and how wrong it is, `evaluation.confidence` finds out; asking a checkpoint reads it here.
"""
