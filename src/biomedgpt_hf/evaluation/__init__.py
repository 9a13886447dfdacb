"""What answers are worth: scores, and the honest rows beside them, such as the answer without a model.

One metric, or one honest row, is one file here. The first is `nearest_answer`: what is known of the nearest known item.
"""
