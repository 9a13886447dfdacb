"""Where the `biomedgpt` command starts: outside the package, whose import registers its classes and loads torch.

`--help` and the processes that build data sets have no use for that. So the package is told beforehand to wait, and
processes that are started from here inherit it; a command that needs the classes registers them.
"""

import os

os.environ["BIOMEDGPT_REGISTER"] = "later"


def main() -> None:
    """Run the command line."""
    from biomedgpt_hf.cli import main

    main()


if __name__ == "__main__":
    main()
