"""`biomedgpt train` and `biomedgpt recipes`: training by a recipe and the arguments after it."""

import os
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from typer.core import TyperCommand

from biomedgpt_hf.console import command, group

if TYPE_CHECKING:
    from biomedgpt_hf.training.recipe.recipe import Recipe

commands = group("Training.")

EXAMPLES = """\b
Example:
  biomedgpt train mini --train-data DATA --output-dir runs/mini
  biomedgpt train align --model biomedgpt-10b --train-data pubchemqa uniprotqa --output-dir runs/align
  biomedgpt train chebi20 --model runs/align --train-data chebi20 --output-dir runs/chebi20 --learning-rate 1e-4
  biomedgpt train dpo --model runs/sft-merged --train-data pairs --output-dir runs/dpo --beta 0.2
  biomedgpt train qlora_24gb --plan --model biomedgpt-10b
  torchrun --nproc-per-node 8 -m biomedgpt_hf.cli train align --model biomedgpt-10b …"""


class TrainCommand(TyperCommand):
    """A command whose help lists the recipes."""

    def format_epilog(self, ctx: Any, formatter: Any) -> None:
        """Write the recipes above the examples."""
        from biomedgpt_hf.training.recipe.files import recipe_names

        formatter.write_paragraph()
        formatter.write_text(f"Recipes: {', '.join(recipe_names())}; or the path of a YAML file.")
        super().format_epilog(ctx, formatter)


@commands.command(
    "train",
    cls=TrainCommand,
    epilog=EXAMPLES,
    context_settings={"allow_extra_args": True, "ignore_unknown_options": True},
)
def train(
    ctx: typer.Context,
    recipe: Annotated[str, typer.Argument(metavar="RECIPE", help="Name of a recipe, or a YAML file.")],
    plan: Annotated[bool, typer.Option("--plan", help="Print what a device will hold in memory, and stop.")] = False,
    processes: Annotated[
        int | None, typer.Option(metavar="N", min=1, help="With --plan: for so many processes; torchrun's if none.")
    ] = None,
) -> None:
    """Train by a recipe. A killed run continues when the same command is given again.

    After the recipe, give any of its keys with values, such as `--learning-rate 1e-4` or `--lora.r=8`. The keys are
    those of transformers' TrainingArguments, or of TRL's arguments if the recipe's trainer is one of TRL's, those of
    peft's LoraConfig, and a few of this package (docs/training.md).
    """
    from biomedgpt_hf.training.recipe.recipe import read_recipe

    told = read_recipe(recipe, ctx.args)
    if plan:
        show_plan(told, processes or int(os.environ.get("WORLD_SIZE", 1)))
        return
    told.check_packages()
    from biomedgpt_hf.training.run import train as run_training

    result = run_training(told)
    if is_first_process():
        typer.echo(result.summary())
    if result.stopped_by:  # the exit code that a shell gives to a process ended by a signal
        raise typer.Exit(128 + result.stopped_by)


@command(commands, "recipes", "recipes", "recipes --copy chebi20 --output mine.yaml")
def recipes(
    copy: Annotated[str | None, typer.Option(metavar="NAME", help="Write this one to a file of yours.")] = None,
    output: Annotated[Path | None, typer.Option(metavar="FILE", help="With --copy; NAME.yaml here if none.")] = None,
) -> None:
    """List the recipes, or copy one to change it."""
    from biomedgpt_hf.training.recipe.files import copy_file, launcher_names, recipe_names, summary, table_names

    if copy:
        typer.echo(f"Wrote {copy_file(copy, output)}")
        return
    if output:
        raise ValueError(f"--output {output} needs --copy NAME, which says what recipe to write there.")
    for name in [*recipe_names(), *launcher_names(), *table_names()]:
        typer.echo(f"{name:28} {summary(name)}")


def show_plan(recipe: "Recipe", processes: int) -> None:
    """Print the memory plan of a recipe, on the first process."""
    from biomedgpt_hf.training.memory.plan import plan_memory

    plan = plan_memory(recipe, processes)
    if is_first_process():
        typer.echo("\n".join(plan.lines()))


def is_first_process() -> bool:
    """Tell whether this is the one process that prints, of all that torchrun started."""
    return os.environ.get("RANK", "0") == "0"
