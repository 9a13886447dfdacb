"""What other packages say about themselves while they are imported, and nobody who uses this one can do anything about.

transformers imports torchao and bitsandbytes, where they are installed, as soon as a model class is loaded. Both tell
of parts that do not fit this machine, whether or not anybody quantises. Each filter lets through everything but the
messages that it names.
"""

import logging
import re

# The logger of a package, and the beginnings of the messages that are left out.
NOISE = {
    "torchao": r"Failed to load .*|Skipping import of cpp extensions.*",
    "torch.utils._pytree": r".*is an Enum subclass and is now natively supported.*",
    "bitsandbytes.backends.cpu.ops": r"Failed to load CPU .*",
}


class _Without(logging.Filter):
    """Lets through what a pattern does not match."""

    def __init__(self, pattern: str) -> None:
        super().__init__()
        self.pattern = pattern

    def filter(self, record: logging.LogRecord) -> bool:
        return re.match(self.pattern, record.getMessage(), re.DOTALL) is None


def leave_out_noise() -> None:
    """Filter the messages in `NOISE`, once for each process. Levels and handlers of loggers stay as they are."""
    for name, pattern in NOISE.items():
        logger = logging.getLogger(name)
        if not any(type(one) is _Without for one in logger.filters):
            logger.addFilter(_Without(pattern))
