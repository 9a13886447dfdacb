"""What to tell a user when a package of one of our extras is missing."""


def missing_package(package: str, extra: str) -> str:
    """Return a sentence that names a missing package, and the command that installs the extra with it.

    The command needs a clone, since this package is on no index.

    Args:
        package: name of the package or module that is missing.
        extra: the extra in `pyproject.toml` that has it.
    """
    return f'{package} is not installed. In a clone of biomedgpt_hf, run: pip install ".[{extra}]" -c constraints.txt'
