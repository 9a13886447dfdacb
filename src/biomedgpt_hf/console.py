"""How commands look and how they fail, for `cli`.

A command raises ValueError, OSError or ImportError for a mistake that its user can correct. It becomes
one line on stderr and exit code 1. Any other error is a fault of the package and keeps its traceback.
"""

from collections.abc import Callable
from typing import Any

import typer
from typer.core import TyperGroup

from biomedgpt_hf.extras import missing_module


class Commands(TyperGroup):
    """The commands. A user's mistake is reported in one line unless `--debug` is given."""

    def invoke(self, ctx: Any) -> Any:
        try:
            return super().invoke(ctx)
        except (ValueError, OSError, ImportError) as error:
            fault_of_ours = str(getattr(error, "name", None)).startswith("biomedgpt_hf")
            if ctx.params["debug"] or isinstance(error, BrokenPipeError) or fault_of_ours:
                raise
            typer.echo(f"Error: {in_one_line(error)}", err=True)
            raise typer.Exit(1) from None


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
