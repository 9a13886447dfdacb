"""`biomedgpt push`, and what the commands share that upload what they have made."""

import shlex
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from biomedgpt_hf.console import command, group, in_one_line, many

if TYPE_CHECKING:
    from biomedgpt_hf.publishing.destination import Destination

commands = group("To the Hub.")

PushToHub = Annotated[
    str | None, typer.Option(metavar="REPO", help="Upload the result to this dataset repository on the Hub.")
]
Private = Annotated[bool, typer.Option("--private", help="A new repository is one that nobody else reads.")]
PermitLicense = Annotated[
    list[str] | None, many("LICENCE", "Publish rows of this licence, for which you have permission")
]
HubRevision = Annotated[str | None, typer.Option(metavar="BRANCH", help="Upload to this branch.")]
CreatePr = Annotated[bool, typer.Option("--create-pr", help="Upload as a pull request.")]
CommitMessage = Annotated[str | None, typer.Option(metavar="TEXT", help="Title of the upload.")]
# Of commands that make something and may upload it, with what holds where they are not given.
OPTIONS: dict[str, tuple[object, Any]] = {
    "push_to_hub": (PushToHub, None),
    "private": (Private, False),
    "permit_license": (PermitLicense, None),
    "hub_revision": (HubRevision, None),
    "create_pr": (CreatePr, False),
    "commit_message": (CommitMessage, None),
}


@command(
    commands,
    "push",
    "push pubchemqa my-name/pubchemqa --private",
    "push scores my-name/scores-of-my-model",
)
def push(
    folder: Annotated[Path, typer.Argument(metavar="FOLDER", help="What `biomedgpt data` or `evaluate` has written.")],
    repo: Annotated[str, typer.Argument(metavar="REPO", help="Dataset repository on the Hub: NAME or OWNER/NAME.")],
    private: Private = False,
    permit_license: PermitLicense = None,
    hub_revision: HubRevision = None,
    create_pr: CreatePr = False,
    commit_message: CommitMessage = None,
) -> None:
    """Upload a finished set, or the results of an evaluation, with its card, licences and manifest."""
    from biomedgpt_hf.publishing.destination import Destination

    permitted = tuple(permit_license or ())
    upload(folder, Destination(repo, private, hub_revision, create_pr, commit_message, permitted))


def find_destination(
    push_to_hub: str | None,
    private: bool = False,
    permit_license: list[str] | None = None,
    hub_revision: str | None = None,
    create_pr: bool = False,
    commit_message: str | None = None,
) -> "Destination | None":
    """Return where a command's result is to go, after the Hub was asked whether it can; None for nowhere.

    Raises:
        ValueError: the options do not fit together, or the name is none of a repository.
        HubError: the Hub refuses, or cannot be reached.
    """
    if push_to_hub is None:
        how = {"--private": private, "--permit-license": permit_license, "--hub-revision": hub_revision}
        how |= {"--create-pr": create_pr, "--commit-message": commit_message}
        if given := [name for name, value in how.items() if value]:
            raise ValueError(f"{given[0]} says how something is uploaded. Say where to, with --push-to-hub REPO.")
        return None
    from biomedgpt_hf.publishing.destination import Destination, check_destination

    permitted = tuple(permit_license or ())
    return check_destination(Destination(push_to_hub, private, hub_revision, create_pr, commit_message, permitted))


def upload(folder: Path, destination: "Destination") -> None:
    """Upload a set, or an evaluation's results, and print where they are.

    Raises:
        ValueError: the folder holds neither, or its rows may not be published.
        HubError: the Hub refuses, or cannot be reached.
    """
    if (folder / "metrics.json").is_file():
        from biomedgpt_hf.evaluation.publishing import publish_results as publish
    else:
        from biomedgpt_hf.building.publishing import publish_set as publish

    info = publish(folder, destination)
    typer.echo(f"Uploaded to {info.pr_url or info.repo_url}")


def upload_result(folder: Path, destination: "Destination") -> None:
    """Upload what a command has just made; an error says how to upload it later."""
    try:
        upload(folder, destination)
    except (OSError, ValueError) as error:
        options = ["--private"] * destination.private
        options += [word for license in destination.permitted for word in ("--permit-license", license)]
        later = shlex.join(["biomedgpt", "push", str(folder), destination.repo_id, *options])
        raise ValueError(f"{in_one_line(error)} All is kept in {folder}: `{later}` uploads it.") from error
