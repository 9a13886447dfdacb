"""The report in Markdown: what a score is worth, in tables that are read from left to right."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

from biomedgpt_hf.evaluation.report.side_by_side import SideBySide

LISTED_FAILURES = 20
# Those that the longer tables show; scores.csv and metrics.json have all.
MAIN_SCORES = ("bleu2", "rougeL", "fact_f1", "contradiction_rate", "name_f1", "ec_level3_f1", "exact", "right_reaction")


def as_markdown(results: SideBySide, charts: Sequence[str] = ()) -> str:
    """Return a report.

    Args:
        results: the runs.
        charts: names of the picture files beside it.
    """
    parts = [*_opening(results)]
    for metric, about in results.metrics.items():
        parts += _metric(results, metric, about)
    parts += _paired(results)
    parts += _similarity(results)
    parts += _alike(results)
    parts += _failures(results)
    parts += [f"![{name.removesuffix('.png')}]({name})\n" for name in charts]
    return "\n".join(parts).rstrip() + "\n"


def _opening(results: SideBySide) -> Iterator[str]:
    about = results.about
    of_set = about.get("set") or {}
    title = of_set.get("name") or "these predictions"
    yield f"# Scores on {title}\n"
    if of_set:
        split, rows = of_set.get("split"), of_set.get("rows")
        yield f"Split {split}, {rows:,} rows; sha256 of the set {str(of_set.get('sha256'))[:16]}….\n"
    yield (
        f"Protocol version {about['protocol_version']}. In brackets: 95 % intervals of {about['resamples']:,} "
        "bootstrap resamples; rows about the same item are drawn together.\n"
    )
    for run in results.runs:
        told = [f"{run['rows']:,} rows"]
        told += [f"{run[name]:,} {name}" for name in ("failed", "empty", "truncated") if run[name]]
        if run.get("description"):
            told.append(run["description"])
        yield f"- **{run['name']}**: {', '.join(told)}."
    yield ""


def _metric(results: SideBySide, metric: str, about: Mapping[str, Any]) -> Iterator[str]:
    names = results.scores_of(metric)
    yield f"## {metric.replace('_', ' ').capitalize()}\n"
    yield f"{about['measures']} {about['fails']}\n"
    yield from _table(["", *names], _score_rows(results, metric, names))
    for groups, title in (("by_task", "By kind of question"), ("by_source", "By kind of question and source")):
        scored = [run["scores"].get(metric, {}).get(groups, {}) for run in results.runs]
        if found := dict.fromkeys(name for scores in scored for name in scores):
            yield f"{title}:\n"
            yield from _table(["kind", "run", "rows", *names], _group_rows(results, metric, groups, found, names))


def _score_rows(results: SideBySide, metric: str, names: Sequence[str]) -> Iterator[list[str]]:
    for run in results.runs:
        scores = run["scores"].get(metric)
        if scores is None:
            continue
        yield [run["name"], *(_estimate(scores["all"].get(name)) for name in names)]
        if "macro" in scores:
            yield [f"{run['name']}, mean over kinds", *(_estimate(scores["macro"].get(name)) for name in names)]
    for published in results.published:
        if any(name in published["scores"] for name in names):
            shown = [f"{published['scores'][name]:.3f}" if name in published["scores"] else "–" for name in names]
            yield [f"{published['name']} ({published['source']})", *shown]


def _group_rows(
    results: SideBySide, metric: str, groups: str, found: Iterable[str], names: Sequence[str]
) -> Iterator[list[str]]:
    for group in found:
        for run in results.runs:
            scores = run["scores"].get(metric, {}).get(groups, {}).get(group)
            if scores is not None:
                cells = (_estimate(scores.get(name)) for name in names)
                yield [group.replace("_", " "), run["name"], f"{scores['rows']:,}", *cells]


def _paired(results: SideBySide) -> Iterator[str]:
    if not results.paired:
        return
    yield "## Differences, row by row\n"
    yield f"{results.paired[0]['first']} less the other run, on the rows that both have.\n"
    differences: dict[str, dict[str, Mapping[str, float]]] = {}
    for one in results.paired:
        scores = {name: value for name, value in one.items() if isinstance(value, Mapping)}
        differences.setdefault(one["second"], {}).update(scores)
    names = [name for name in MAIN_SCORES if any(name in scores for scores in differences.values())]
    rows = [[run, *(_difference(scores.get(name)) for name in names)] for run, scores in differences.items()]
    yield from _table(["other run", *names], rows)


def _similarity(results: SideBySide) -> Iterator[str]:
    bins = results.about.get("by_similarity")
    if not bins:
        return
    yield "## By similarity to what was known\n"
    yield f"{bins['memory']} {bins['measure']}\n"
    found = dict.fromkeys(name for one in bins["bins"] for scores in one["scores"].values() for name in scores)
    names = [name for name in MAIN_SCORES if name in found] or list(found)
    rows = [
        [one["name"], run, f"{one['rows']:,}", *(_estimate(scores.get(name)) for name in names)]
        for one in bins["bins"]
        for run, scores in one["scores"].items()
    ]
    yield from _table(["similarity", "run", "rows", *names], rows)


def _alike(results: SideBySide) -> Iterator[str]:
    found = results.about.get("alike_pairs")
    if not found:
        return
    yield "## Alike, but not the same\n"
    yield (
        f"{found['pairs']:,} pairs of items have a similarity of {found['similarity']} or more and different "
        "references. The share of pairs that got the same text:\n"
    )
    rows = [[run, _estimate(share)] for run, share in found["same_answer"].items()]
    yield from _table(["run", "same text for both"], rows)


def _failures(results: SideBySide) -> Iterator[str]:
    for run in results.runs:
        if run["failed"]:
            yield f"## Rows of {run['name']} without an answer\n"
            yield f"{run['failed']:,} rows score like empty answers.\n"
            yield from (f"- `{row['id']}`: {row['error']}" for row in run["failed_rows"][:LISTED_FAILURES])
            yield ""


def _difference(found: Mapping[str, float] | None) -> str:
    if found is None:
        return "–"
    return f"{found['value']:+.3f} [{found['low']:+.3f}, {found['high']:+.3f}], p {found['p_value']:.2g}"


def _estimate(estimate: Mapping[str, float] | None) -> str:
    if estimate is None:
        return "–"
    return f"{estimate['value']:.3f} [{estimate['low']:.3f}, {estimate['high']:.3f}]"


def _table(header: Sequence[str], rows: Iterator[list[str]] | list[list[str]]) -> Iterator[str]:
    yield f"| {' | '.join(header)} |"
    yield f"|{'---|' * len(header)}"
    for row in rows:
        yield f"| {' | '.join(cell.replace('|', chr(92) + '|') for cell in row)} |"
    yield ""
