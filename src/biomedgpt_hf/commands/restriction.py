"""The use restriction, where people see it: in the help of commands that answer, and once on a terminal's stderr."""

import sys

import typer

from biomedgpt_hf.publishing.use_restriction import USE_RESTRICTION


def show_restriction() -> None:
    """Print the use restriction to stderr if that is a terminal: people read it, and programs get nothing."""
    if sys.stderr.isatty():
        typer.echo(f"Note: {USE_RESTRICTION}", err=True)
