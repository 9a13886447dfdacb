"""A dataset repository on the Hub: whether a folder may go there, told before long work, and its upload after it.

destination = check_destination(Destination("org/name"))  # one line says what is in the way
publish(folder, names, destination)
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path

import httpx2
from huggingface_hub import CommitInfo, HfApi
from huggingface_hub.errors import (
    GatedRepoError,
    HfHubHTTPError,
    HFValidationError,
    LocalTokenNotFoundError,
    OfflineModeIsEnabled,
    RepositoryNotFoundError,
)
from huggingface_hub.utils import validate_repo_id

from biomedgpt_hf.publishing.uploading import is_pickle, upload

REPO_TYPE = "dataset"
READ_ONLY = "read"
LOG_IN = "Log in with `hf auth login`, or set HF_TOKEN, with a token that may write."


class HubError(OSError):
    """The Hub refuses a folder, or cannot be reached."""


@dataclass(frozen=True)
class Destination:
    """Where a folder goes, and how.

    Attributes:
        repo_id: NAME or OWNER/NAME of a dataset repository; it is made if it does not exist.
        private: whether nobody else may read it; of a repository that exists, whether that is so.
        revision: a branch, made if it does not exist; None for the main one.
        create_pr: upload as a pull request.
        commit_message: None for one that says what is uploaded.
        permitted: licences of rows that the user has permission to publish (see `licenses.check_licenses`).
        token: None for that of `hf auth login` or HF_TOKEN.
    """

    repo_id: str
    private: bool = False
    revision: str | None = None
    create_pr: bool = False
    commit_message: str | None = None
    permitted: Collection[str] = ()
    token: str | None = None

    def __post_init__(self) -> None:
        if isinstance(self.permitted, str):
            raise ValueError(f"permitted is {self.permitted!r}. Give a list of licences.")


def check_destination(destination: Destination) -> Destination:
    """Ask the Hub whether a folder can be uploaded, without changing anything there.

    Returns:
        the destination with the owner's name, and with `private` as it is where the repository exists.

    Raises:
        ValueError: the name is no name of a repository.
        HubError: there is no token or network, the token may not write there, or the repository is public while a
            private one is asked for.
    """
    with _told(destination.repo_id):
        validate_repo_id(destination.repo_id)
        api = HfApi(token=destination.token)
        who = api.whoami(cache=True)  # the Hub answers this rarely
        owner, name = destination.repo_id.rpartition("/")[::2]
        checked = replace(destination, repo_id=f"{owner or who['name']}/{name}")
        if who.get("auth", {}).get("accessToken", {}).get("role") == READ_ONLY:
            raise HubError(f"The token of {who['name']} may only read. {LOG_IN}")
        try:
            is_private = bool(api.repo_info(checked.repo_id, repo_type=REPO_TYPE).private)
        except GatedRepoError:  # a kind of the next one
            raise
        except RepositoryNotFoundError:
            owners = [who["name"], *(org["name"] for org in who.get("orgs", ()))]
            if owner and owner.lower() not in map(str.lower, owners):
                raise HubError(
                    f"There is no repository {checked.repo_id}, and {who['name']} cannot make it: the owner must be "
                    f"{' or '.join(owners)}."
                ) from None
            return checked
        api.auth_check(checked.repo_id, repo_type=REPO_TYPE, write=True)
    if destination.private and not is_private:
        raise HubError(
            f"{checked.repo_id} exists and is public, so nothing in it is private. Change that on the Hub, choose "
            "another name, or leave out --private."
        )
    return replace(checked, private=is_private)


def publish(
    folder: Path, names: Sequence[str], destination: Destination, *, message: str, stale: Sequence[str] = ()
) -> CommitInfo:
    """Upload files of a folder in one commit: all of them are there then, or none.

    Args:
        folder: where the files are.
        names: their paths in it. Pickles among them are refused.
        destination: as `check_destination` returned it.
        message: of the commit, where the destination has none.
        stale: patterns of files that an earlier upload may have left; those that `names` lacks are removed.

    Returns:
        `huggingface_hub.CommitInfo`.

    Raises:
        ValueError: a file would run code where it is read.
        HubError: the Hub refuses, or cannot be reached. What was sent is not sent again the next time.
    """
    if pickles := [name for name in names if is_pickle(name)]:
        raise ValueError(f"{folder / pickles[0]} would run code where it is read, and is not uploaded. Remove it.")
    with _told(destination.repo_id):
        api = HfApi(token=destination.token)
        api.create_repo(
            destination.repo_id, repo_type=REPO_TYPE, private=True if destination.private else None, exist_ok=True
        )
        return upload(
            api,
            destination.repo_id,
            folder,
            list(names),
            destination.revision,
            REPO_TYPE,
            commit_message=destination.commit_message or message,
            create_pr=destination.create_pr,
            delete_patterns=list(stale) or None,
        )


@contextmanager
def _told(repo_id: str) -> Iterator[None]:
    """Turn what goes wrong with the Hub into one line."""
    try:
        yield
    except HFValidationError as error:
        raise ValueError(
            f"{repo_id!r} is no name of a repository on the Hub. It is NAME or OWNER/NAME, with letters, digits, "
            "-, _ and . (at most 96)."
        ) from error
    except LocalTokenNotFoundError as error:
        raise HubError(f"Nothing can be uploaded to {repo_id} without a token. {LOG_IN}") from error
    except OfflineModeIsEnabled as error:
        raise HubError(f"Nothing can be uploaded to {repo_id} while HF_HUB_OFFLINE is set. Unset it.") from error
    except HfHubHTTPError as error:
        raise HubError(f"The Hub refuses {repo_id}: {_reason(error)}") from error
    except (httpx2.HTTPError, RuntimeError) as error:  # huggingface_hub raises RuntimeError where a large file fails
        cause = error.__cause__ or error
        if isinstance(cause, HfHubHTTPError):
            raise HubError(f"The Hub refuses {repo_id}: {_reason(cause)}") from error
        said = f"{type(cause).__name__}: {' '.join(str(cause).split())[:200]}"
        what = "An upload failed to" if isinstance(error, RuntimeError) else "The Hub cannot be reached for"
        raise HubError(f"{what} {repo_id} ({said}). Check the network, and give the same command again.") from error


def _reason(error: HfHubHTTPError) -> str:
    status = error.response.status_code if error.response is not None else 0
    said = " ".join((error.server_message or str(error)).split())[:200].rstrip(".")
    if status == 401:
        return f"the token is not accepted (401, {said}). {LOG_IN}"
    if status == 403:
        return f"the token may not write there (403, {said}). {LOG_IN}"
    return f"it answers {status} ({said}). Try again later."
