"""Files of dataset repositories on the Hugging Face Hub, by `huggingface_hub`'s own transfer.

`huggingface_hub` resumes, retries and shows the progress; here its result is checked and put on record.
`HF_ENDPOINT` names another Hub, `HF_TOKEN` a user with access to more, `HF_HUB_OFFLINE` forbids all this.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import TypeVar

import httpx2
from huggingface_hub import HfApi, hf_hub_url
from huggingface_hub.errors import FileMetadataError, HfHubHTTPError, LocalEntryNotFoundError, OfflineModeIsEnabled
from huggingface_hub.utils import tqdm

from biomedgpt_hf.disk import provenance
from biomedgpt_hf.disk.manifests import versions
from biomedgpt_hf.download.checksums import LENGTHS, ExpectedContent, digests, parse_checksum
from biomedgpt_hf.download.finished import is_there
from biomedgpt_hf.download.patient_client import (
    DISTRIBUTION,
    DownloadError,
    PatientClient,
    describe_network_error,
    fetch_by_hand,
    require_success,
)
from biomedgpt_hf.download.transfer import mirrored

HUB = "https://huggingface.co"
T = TypeVar("T")


class _NoBar(tqdm):  # type: ignore[misc, type-arg]
    def __init__(self, *arguments: object, **options: object) -> None:
        super().__init__(*arguments, **{**options, "disable": True})


@dataclass(frozen=True)
class HubFile:
    """A file of a dataset repository; it becomes NAME-OF-REPOSITORY/PATH.

    Attributes:
        repository: such as "openlifescienceai/medmcqa".
        path: of the file in it.
        revision: a commit; with a branch, the commit it points to is put on record.
        checksum: see `RemoteFile`; without one, what the Hub says about this file is checked.
        license: SPDX id, or where the terms are.
        by_hand: where the original can be had with a browser.
        endpoint: another Hub than `huggingface_hub`'s.
    """

    repository: str
    path: str
    revision: str = "main"
    checksum: str | None = None
    license: str = "unknown"
    by_hand: str = ""
    endpoint: str | None = None

    def moved(self, mirrors: Mapping[str, str]) -> HubFile:
        """Return the same file on another Hub, if `mirrors` has one for https://huggingface.co."""
        endpoint = mirrored(HUB, mirrors)
        return replace(self, endpoint=endpoint) if endpoint != HUB else self

    def fetch(self, folder: Path, client: PatientClient, progress: bool) -> list[Path]:
        """Return the path of the file, fetched if it is not there.

        Raises:
            DownloadError: it cannot be had, was changed, or has a wrong checksum twice.
        """
        local = folder / self.repository.split("/")[-1]
        path = local / self.path
        if is_there(path, self.checksum):
            return [path]
        # These files are public: the user's token is for the user's own Hub, not for whatever mirror is named.
        token = False if self.endpoint else None
        version = versions(DISTRIBUTION).get(DISTRIBUTION)
        api = HfApi(endpoint=self.endpoint, token=token, library_name=DISTRIBUTION, library_version=version)
        url = self._url(self.revision)
        about = client.keep_trying(url, partial(self._asked, partial(api.get_hf_file_metadata, url=url)))
        commit = about.commit_hash or self.revision
        expected = self._expected(about.etag or "")
        for again in (False, True):
            ask = partial(
                api.hf_hub_download,
                self.repository,
                self.path,
                repo_type="dataset",
                revision=commit,
                local_dir=local,
                force_download=again,
                tqdm_class=None if progress else _NoBar,
            )
            client.keep_trying(url, partial(self._asked, ask))
            found = digests(path, ["sha256", expected.kind])
            wrong = expected.unlike(path.stat().st_size, found)
            if not wrong:
                self._record(path, commit, about.etag, expected, found)
                return [path]
            path.unlink()
        raise DownloadError(
            f"{self._url(commit)} was fetched twice and is not what it should be: {wrong}. "
            f"{fetch_by_hand(self.by_hand)}"
        )

    def _url(self, revision: str) -> str:
        return hf_hub_url(self.repository, self.path, repo_type="dataset", revision=revision, endpoint=self.endpoint)

    def _expected(self, etag: str) -> ExpectedContent:
        """Return the checksum to hold to: the catalogue's, else the Hub's, whose etag is one of two."""
        if self.checksum:
            return parse_checksum(self.checksum, "this program's catalogue")
        kind = next((kind for kind in ("sha256", "git") if len(etag) == LENGTHS[kind]), "")
        return parse_checksum(f"{kind}:{etag}", "the Hub") if kind else ExpectedContent()

    def _asked(self, ask: Callable[[], T]) -> T:
        """Return what the Hub answers, with its errors in the terms of `PatientClient.keep_trying`."""
        try:
            return ask()
        except OfflineModeIsEnabled as error:
            raise DownloadError(
                f"Cannot fetch {self.repository}/{self.path}: HF_HUB_OFFLINE is set. Unset it. "
                f"Or: {fetch_by_hand(self.by_hand)}"
            ) from error
        except (HfHubHTTPError, LocalEntryNotFoundError, FileMetadataError) as error:
            # "Not in the cache either" hides why the Hub was no help; the reason is its cause.
            reason = error if isinstance(error, HfHubHTTPError) else error.__cause__
            if isinstance(reason, httpx2.TransportError):
                raise reason from error
            if isinstance(reason, HfHubHTTPError):
                require_success(reason.response, self.by_hand)
            told = describe_network_error(error)
            raise DownloadError(
                f"Cannot fetch {self._url(self.revision)}: {told} {fetch_by_hand(self.by_hand)}"
            ) from error

    def _record(
        self, path: Path, commit: str, etag: str | None, expected: ExpectedContent, found: Mapping[str, str]
    ) -> None:
        entry: provenance.DownloadEntry = {
            "url": self._url(commit),
            "release": commit,
            "etag": etag,
            "bytes": path.stat().st_size,
            "sha256": found["sha256"],
            "verified": expected.how_verified("length"),
            "license": self.license,
        }
        provenance.write_download_entry(path, entry)
