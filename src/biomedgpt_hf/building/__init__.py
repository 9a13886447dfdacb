"""What every builder shares: reading sources, the road from records to a set, splits, leakage."""

from biomedgpt_hf.extras import missing_package

try:
    import pyarrow  # noqa: F401, the error is raised here in one line, before another module needs it
    import tqdm  # noqa: F401
except ImportError as error:
    raise ImportError(missing_package(error.name or "pyarrow", "data")) from error
