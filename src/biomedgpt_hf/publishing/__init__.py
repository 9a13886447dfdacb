"""Publishing checkpoints: model cards, and uploads to the Hub without pickles.

`trainers` has `PublishingMixin`, `models` saves and uploads models, and `saved_parts` checks what an adapter saves.
"""
