"""The one error of conversion."""


class ConversionError(ValueError):
    """A checkpoint cannot be converted: the message names the file or tensor, the reason and the remedy."""
