"""The command line: `biomedgpt --help`, and `biomedgpt COMMAND --help` with an example of each.

Commands import what they use when they run, so that `--help` answers without loading torch. Each
only reads its arguments, calls one function of the package and prints what that returns.
"""

from typing import Annotated

import typer

from biomedgpt_hf.commands import (
    answer,
    calibrate,
    convert,
    data,
    embed,
    evaluate,
    hub,
    known,
    predict,
    reproduce,
    train,
)
from biomedgpt_hf.console import Commands, command, group, keep_progress_on_one_line, print_version

app = group("Ask about molecules and proteins in plain words.", cls=Commands)


@app.callback()
def biomedgpt(
    debug: Annotated[
        bool, typer.Option("--debug", envvar="BIOMEDGPT_DEBUG", help="Show tracebacks of errors.")
    ] = False,
    version: Annotated[
        bool, typer.Option("--version", callback=print_version, is_eager=True, help="Print versions and exit.")
    ] = False,
) -> None:
    """Ask about molecules and proteins in plain words."""


for part in (answer, predict, embed, evaluate, calibrate, reproduce, train, convert, data, hub):
    app.add_typer(part.commands)
data.data.add_typer(known.commands)


@command(app, "env", "env")
def env() -> None:
    """Print what a bug report needs."""
    from biomedgpt_hf.environment import describe_environment

    for name, value in describe_environment().items():
        typer.echo(f"{name:24} {value}")


def main() -> None:
    """Run the command line."""
    keep_progress_on_one_line()
    app(prog_name="biomedgpt")


if __name__ == "__main__":
    main()
