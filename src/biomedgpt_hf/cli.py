"""The command line: `biomedgpt --help`, and `biomedgpt COMMAND --help` with an example of each.

Commands import what they use when they run, so that `--help` answers without loading torch. Each
only reads its arguments, calls one function of the package and prints what that returns.
"""

import logging
from typing import Annotated

import typer

from biomedgpt_hf.commands import answer, convert, data, embed, evaluate, predict, train
from biomedgpt_hf.console import Commands, command, group

app = group("Ask about molecules and proteins in plain words.", cls=Commands)


@app.callback()
def biomedgpt(
    debug: Annotated[
        bool, typer.Option("--debug", envvar="BIOMEDGPT_DEBUG", help="Show tracebacks of errors.")
    ] = False,
) -> None:
    """Ask about molecules and proteins in plain words."""


for part in (answer, predict, embed, evaluate, train, convert, data):
    app.add_typer(part.commands)


@command(app, "env", "env")
def env() -> None:
    """Print what a bug report needs."""
    from biomedgpt_hf.environment import describe_environment

    for name, value in describe_environment().items():
        typer.echo(f"{name:24} {value}")


def main() -> None:
    """Run the command line."""
    # torchao and bitsandbytes, if installed, warn on import of functions that nothing here uses.
    for name in ("torchao", "torch.utils._pytree", "bitsandbytes.backends.cpu.ops"):
        logging.getLogger(name).setLevel(logging.ERROR)
    app(prog_name="biomedgpt")


if __name__ == "__main__":
    main()
