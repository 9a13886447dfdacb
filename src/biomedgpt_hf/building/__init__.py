"""What every builder shares: reading sources, the road from records to a set, splits, leakage."""

from biomedgpt_hf.rows.schema import MISSING_EXTRA

try:
    import pyarrow  # noqa: F401, told here in one line rather than by the first module that needs it
    import tqdm  # noqa: F401
except ImportError as error:
    raise ImportError(MISSING_EXTRA) from error
