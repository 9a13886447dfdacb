"""What all builders share: the steps from records to a data set, splits, exclusions and the leakage report."""

from biomedgpt_hf.extras import missing_package

try:
    import pyarrow  # noqa: F401, the error is raised here in one line, before another module needs it
    import tqdm  # noqa: F401
except ImportError as error:
    raise ImportError(missing_package(error.name or "pyarrow", "data")) from error
