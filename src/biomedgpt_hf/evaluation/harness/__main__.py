"""The command line of lm-evaluation-harness, which knows the model `biomedgpt` and this package's tasks.

python -m biomedgpt_hf.evaluation.harness run --model biomedgpt --model_args pretrained=DIR --tasks NAME
"""

import sys

from biomedgpt_hf.evaluation.harness import TASKS, register


def main() -> None:
    """Run lm-evaluation-harness with this process's arguments; our tasks are included unless others are."""
    try:
        register()
    except ModuleNotFoundError as error:
        sys.exit(f"Error: {error}")
    from lm_eval.__main__ import cli_evaluate

    takes_tasks = not {"ls", "validate"} & set(sys.argv[1:2]) and any(one.startswith("--tasks") for one in sys.argv)
    if takes_tasks and not any(one.startswith("--include_path") for one in sys.argv):
        sys.argv += ["--include_path", str(TASKS)]
    cli_evaluate()


if __name__ == "__main__":
    main()
