"""How commands look and how they fail, for `cli`.

A command raises ValueError, OSError or ImportError for a mistake that its user can correct. It becomes
one line on stderr and exit code 1, and so does a full disk, whichever error a library makes of it. Any other
error is a fault of the package and keeps its traceback.
"""

import os
import platform
import sys
from collections.abc import Callable, Iterable
from importlib import metadata
from typing import Any

import typer
from typer.core import TyperGroup

from biomedgpt_hf.disk.full import is_full
from biomedgpt_hf.extras import missing_module


class Commands(TyperGroup):
    """The commands. A user's mistake is reported in one line unless `--debug` is given."""

    def invoke(self, ctx: Any) -> Any:
        try:
            return super().invoke(ctx)
        except Exception as error:
            if not isinstance(error, ValueError | OSError | ImportError) and not is_full(error):
                raise
            fault_of_ours = str(getattr(error, "name", None)).startswith("biomedgpt_hf")
            if ctx.params["debug"] or isinstance(error, BrokenPipeError) or fault_of_ours:
                raise
            typer.echo(f"Error: {in_one_line(error)}", err=True)
            raise typer.Exit(1) from None


def keep_progress_on_one_line() -> None:
    """Let bars come and go on one line of a terminal, and leave them out of pipes and files.

    That holds for bars of other packages too, and for the processes that a command starts. The libraries read these
    variables when they are imported, so this has to come first; what a user has set stays.
    """
    if sys.stderr.isatty():
        os.environ.setdefault("TQDM_LEAVE", "")  # tqdm takes any text but this for True
        return
    for name in ("TQDM_DISABLE", "HF_HUB_DISABLE_PROGRESS_BARS", "HF_DATASETS_DISABLE_PROGRESS_BARS"):
        os.environ.setdefault(name, "1")


def print_version(wanted: bool) -> None:
    """Print the versions of this package and of what it stands on, for an option `--version`, and exit."""
    if wanted:
        names = ("torch", "transformers")
        beside = ", ".join(f"{name} {_version(name)}" for name in names)
        typer.echo(f"biomedgpt-hf {_version('biomedgpt-hf')} (Python {platform.python_version()}, {beside})")
        raise typer.Exit


def _version(distribution: str) -> str:
    try:
        return metadata.version(distribution)
    except metadata.PackageNotFoundError:
        return "not installed"


def in_one_line(error: Exception) -> str:
    """Return an error's message without line breaks, and say what to install if a package is missing."""
    if isinstance(error, OSError) and error.strerror and error.filename:
        return f"{error.filename}: {error.strerror}."
    if isinstance(error, ModuleNotFoundError) and error.name:
        return missing_module(error.name)
    return " ".join(str(error).split()) or type(error).__name__


def group(help: str, **arguments: Any) -> typer.Typer:
    """Make a group of commands that prints plain text, and its help if no command is named."""
    return typer.Typer(
        help=help,
        add_completion=False,
        no_args_is_help=True,
        pretty_exceptions_enable=False,
        rich_markup_mode=None,
        context_settings={"help_option_names": ["-h", "--help"]},
        **arguments,
    )


def command(parent: typer.Typer, name: str, *examples: str) -> Callable[[Any], Any]:
    """Register a function as the command `name`, with examples below its help."""
    lines = "\n".join(f"  biomedgpt {example}" for example in examples)
    return parent.command(name, epilog=f"\b\nExample:\n{lines}")


def many(metavar: str, help: str) -> Any:
    """Describe an option that may be given several times."""
    return typer.Option(metavar=metavar, help=f"{help}; may be given several times.")


def is_given(context: typer.Context, name: str) -> bool:
    """Tell whether an option of a command, by the name of its parameter, was given."""
    source = context.get_parameter_source(name)
    return source is not None and source.name == "COMMANDLINE"


def refuse_options(context: typer.Context, names: Iterable[str], what: str) -> None:
    """Raise a ValueError for the first of some options that was given, since it has no use for `what`."""
    options = {option.name: max(option.opts, key=len) for option in context.command.params}
    for name in names:
        if is_given(context, name):
            raise ValueError(f"{options[name]} has no use for {what}. Leave it out.")


def summarise(output: str, summary: str, *, on_stdout: bool) -> None:
    """Print in one line what was written to a file; on stderr, and without a name, where that was standard output."""
    typer.echo(summary if on_stdout else f"{output}: {summary}", err=on_stdout)
