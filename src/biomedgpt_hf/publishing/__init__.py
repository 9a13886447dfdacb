"""What a checkpoint says of itself, and how it gets to the Hub: model cards, and uploads without pickles.

`PublishingMixin` is in `trainers`, what models do in `models`, what must be saved with an adapter in `saved_parts`.
"""
