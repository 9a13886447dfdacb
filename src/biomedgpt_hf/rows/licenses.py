"""Licences of rows: what the Hub calls them, and which of them let others pass the rows on."""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping, Sequence
from typing import Any

from biomedgpt_hf.rows.schema import UNKNOWN_LICENSE

# The names that the Hub has for licences (https://huggingface.co/docs/hub/repositories-licenses).
HUB_LICENSES = frozenset(
    "apache-2.0 bsd-2-clause bsd-3-clause mit odc-by odbl pddl cc cc0-1.0 cc-by-2.0 cc-by-2.5 cc-by-3.0 cc-by-4.0 "
    "cc-by-sa-3.0 cc-by-sa-4.0 cc-by-nc-2.0 cc-by-nc-3.0 cc-by-nc-4.0 cc-by-nd-4.0 cc-by-nc-nd-3.0 cc-by-nc-nd-4.0 "
    "cc-by-nc-sa-2.0 cc-by-nc-sa-3.0 cc-by-nc-sa-4.0".split()
)
WITHOUT_VERSION = {"odc-by-1.0": "odc-by", "odbl-1.0": "odbl", "pddl-1.0": "pddl"}  # SPDX's name: the Hub's
# Licences under which rows made of a text may be passed on, some on conditions that the card repeats. Those without
# derivatives (ND) are left out: a row is cut, cleaned and put beside a question, and so is a derivative.
REDISTRIBUTABLE = re.compile(
    r"cc0-1\.0|cc-by(?:-nc)?(?:-sa)?-[1-4]\.\d(?:-igo|-[a-z]{2})?|odc-by(?:-1\.0)?|odbl(?:-1\.0)?|pddl(?:-1\.0)?"
    r"|mit(?:-0)?|apache-2\.0|bsd-[23]-clause|isc|0bsd|unlicense|cdla-(?:permissive-[12]\.0|sharing-1\.0)",
    re.IGNORECASE,
)
LISTED = 5
REMEDY = (
    "Give --private for a repository that nobody else reads, or build the set with the licence that the rows have. If "
    "you have permission to publish them, add --permit-license {license!r}."
)


class LicenseError(ValueError):
    """Rows whose licence does not let others have them."""


def hub_license(license: str) -> str:
    """Return the Hub's name for a licence as a row names it, "other" where it has none."""
    name = WITHOUT_VERSION.get(license.lower(), license.lower())
    return name if name in HUB_LICENSES else "other"


def hub_licenses(depositors: Sequence[Mapping[str, Any]], inferred: Sequence[Sequence[str]] = ()) -> list[str]:
    """Return the licences of depositors (see `check_licenses`) in the Hub's names, each once."""
    return sorted({hub_license(license_of(depositor, inferred)[0]) for depositor in depositors})


def depositors_table(depositors: Sequence[Mapping[str, Any]], inferred: Sequence[Sequence[str]] = ()) -> str:
    """Return a table in Markdown of depositors (see `check_licenses`), their licences and rows."""
    lines = ["| source of the answers | licence | rows |", "|---|---|---|"]
    any_inferred = False
    for depositor in depositors:
        license, is_inferred = license_of(depositor, inferred)
        any_inferred = any_inferred or is_inferred
        mark = " (inferred)" if is_inferred else ""
        lines.append(f"| {_cell(depositor['source'])} | {_cell(license)}{mark} | {depositor['rows']:,} |")
    if any_inferred:
        lines += [
            "",
            "Inferred: the source is known to give its texts under this licence, but states none with these. "
            f'Their rows say "{UNKNOWN_LICENSE}".',
        ]
    return "\n".join(lines)


def _cell(text: str) -> str:
    return " ".join(text.split()).replace("|", "\\|")


def license_of(depositor: Mapping[str, Any], inferred: Sequence[Sequence[str]]) -> tuple[str, bool]:
    """Return the licence of a depositor's rows, and whether it is inferred because the rows state none.

    Args:
        depositor: "source" and "license", as the rows name them.
        inferred: sources, each with the licence of those of its rows that state none.
    """
    found = {source.lower(): license for source, license in inferred}.get(depositor["source"].lower())
    if depositor["license"] == UNKNOWN_LICENSE and found:
        return found, True
    return depositor["license"], False


def may_be_published(license: str, permitted: Collection[str] = ()) -> bool:
    """Tell whether everybody may have rows of a licence.

    Args:
        license: as a row names it.
        permitted: licences that the user has permission to publish under, whatever they say.
    """
    return bool(REDISTRIBUTABLE.fullmatch(license)) or license in permitted


def check_licenses(
    depositors: Sequence[Mapping[str, Any]], inferred: Sequence[Sequence[str]] = (), permitted: Collection[str] = ()
) -> None:
    """Check that everybody may have the rows of a set.

    Args:
        depositors: "source", "license" and "rows" (a number) of each.
        inferred: see `license_of`.
        permitted: see `may_be_published`.

    Raises:
        LicenseError: some may not be passed on, or nobody knows.
    """
    named = [(int(one["rows"]), str(one["source"]), license_of(one, inferred)[0]) for one in depositors]
    refused = sorted((one for one in named if not may_be_published(one[2], permitted)), reverse=True)
    if not refused:
        return
    listed = (f"{rows:,} of {source[:40]!r} under {license[:80]!r}" for rows, source, license in refused[:LISTED])
    more = f"; and more of {len(refused) - LISTED:,} other sources" if len(refused) > LISTED else ""
    total = sum(rows for rows, *_ in refused)
    raise LicenseError(
        f"{total:,} rows have no licence that lets everybody have them: {'; '.join(listed)}{more}. "
        + REMEDY.format(license=refused[0][2])
    )
