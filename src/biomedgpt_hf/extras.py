"""What to tell a user when a package is missing: one of our extras, or one that this package does not bring."""

from importlib import metadata
from importlib.util import find_spec

DISTRIBUTION = "biomedgpt-hf"
# Modules whose packages have other names.
PACKAGES = {"Bio": "biopython", "esm": "fair-esm", "yaml": "pyyaml"}


class MissingPackageError(ImportError):
    """A package that a command or a recipe needs is not installed."""


def missing_package(package: str, extra: str) -> str:
    """Return a sentence that names a missing package, and the command that installs the extra with it.

    The command needs a clone, since this package is on no index.

    Args:
        package: name of the package or module that is missing.
        extra: the extra in `pyproject.toml` that has it.
    """
    return f'{package} is not installed. In a clone of biomedgpt_hf, run: pip install ".[{extra}]" -c constraints.txt'


def foreign_package(package: str) -> str:
    """Return a sentence that names a missing package which none of our extras has."""
    return f"{package} is not installed, and biomedgpt_hf does not bring it: install it by itself, or do without."


def missing_module(name: str) -> str:
    """Return the sentence for a module that could not be imported, such as "peft.tuners"."""
    module = name.partition(".")[0]
    from packaging.utils import canonicalize_name

    ours = {canonicalize_name(package) for package in required_packages()}
    if ours and canonicalize_name(PACKAGES.get(module, module)) not in ours:
        return foreign_package(module)
    return missing_package(module, "all")


def is_installed(package: str) -> bool:
    """Whether a package can be imported, without importing it."""
    try:
        return find_spec(package) is not None
    except (ImportError, ValueError):
        return False


def require(package: str, extra: str | None, purpose: str) -> None:
    """Raise a MissingPackageError unless a package is installed.

    Args:
        package: name of its module.
        extra: the extra in `pyproject.toml` that has it; None for a package that no extra has.
        purpose: what needs it, as the beginning of a sentence: "trainer 'dpo'".
    """
    if not is_installed(package):
        remedy = foreign_package(package) if extra is None else missing_package(package, extra)
        raise MissingPackageError(f"{purpose} needs {package}. {remedy}")


def required_packages() -> tuple[str, ...]:
    """Return the names of all packages that this one or an extra needs, by its metadata, in their order.

    There are none where the program runs from its source and is not installed.
    """
    from packaging.requirements import Requirement  # here, since most commands start without it

    try:
        lines = metadata.requires(DISTRIBUTION) or []
    except metadata.PackageNotFoundError:
        lines = []
    return tuple(sorted({Requirement(line).name for line in lines} - {DISTRIBUTION}, key=str.lower))
