"""The report in Markdown: what a score is worth, in tables that are read from left to right."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

from biomedgpt_hf.evaluation.report.binned import MAIN_SCORES, Binned, binned
from biomedgpt_hf.evaluation.report.by_sureness import COLUMNS, errors_shown, opening_lines, orders_of
from biomedgpt_hf.evaluation.report.side_by_side import SideBySide

LISTED_FAILURES = 20


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
    for told in binned(results.about):
        parts += _binned(told)
    parts += _by_sureness(results)
    parts += _alike(results)
    parts += _failures(results)
    parts += [f"![{name.removesuffix('.png')}]({name})\n" for name in charts]
    return "\n".join(parts).rstrip() + "\n"


def as_short_markdown(results: SideBySide) -> str:
    """Return a table of all runs for each metric, with what it measures and where it fails, and no more."""
    return "\n".join(line for metric, about in results.metrics.items() for line in _scores(results, metric, about))


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
        told += [f"{run[name]:,} {name}" for name in ("failed", "empty", "truncated", "declined") if run.get(name)]
        if run.get("description"):
            told.append(run["description"])
        yield f"- **{run['name']}**: {', '.join(told)}."
    yield ""


def _scores(results: SideBySide, metric: str, about: Mapping[str, Any]) -> Iterator[str]:
    names = results.scores_of(metric)
    yield f"## {metric.replace('_', ' ').capitalize()}\n"
    yield f"{about['measures']} {about['fails']}\n"
    yield from table_lines(["", *names], _score_rows(results, metric, names))
    yield ""


def _metric(results: SideBySide, metric: str, about: Mapping[str, Any]) -> Iterator[str]:
    names = results.scores_of(metric)
    yield from _scores(results, metric, about)
    for groups, title in (("by_task", "By kind of question"), ("by_source", "By kind of question and source")):
        scored = [run["scores"].get(metric, {}).get(groups, {}) for run in results.runs]
        if found := dict.fromkeys(name for scores in scored for name in scores):
            yield f"{title}:\n"
            yield from table_lines(["kind", "run", "rows", *names], _group_rows(results, metric, groups, found, names))


def _score_rows(results: SideBySide, metric: str, names: Sequence[str]) -> Iterator[list[str]]:
    for run in results.runs:
        scores = run["scores"].get(metric)
        if scores is None:
            continue
        yield [run["name"], *(estimate_in_words(scores["all"].get(name)) for name in names)]
        if "macro" in scores:
            yield [f"{run['name']}, mean over kinds", *(estimate_in_words(scores["macro"].get(name)) for name in names)]
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
                cells = (estimate_in_words(scores.get(name)) for name in names)
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
    yield from table_lines(["other run", *names], rows)


def _binned(told: Binned) -> Iterator[str]:
    yield f"## {told.title}\n"
    yield f"{told.about}\n"
    rows = [
        [one["name"], run, f"{one['rows']:,}", *(estimate_in_words(scores.get(name)) for name in told.scores)]
        for one in told.bins
        for run, scores in (one["scores"] or {"–": {}}).items()
    ]
    yield from table_lines([told.column, "run", "rows", *told.scores], rows)


def _by_sureness(results: SideBySide) -> Iterator[str]:
    orders = orders_of(results)
    if not orders:
        return
    yield from opening_lines(orders)
    columns = COLUMNS | errors_shown(orders)
    rows = [
        [one.run, one.by, f"{one.told['rows']:,}", *(estimate_in_words(one.scores.get(name)) for name in columns)]
        for one in orders
    ]
    yield from table_lines(["run", "in the order of", "rows", *columns.values()], rows)


def _alike(results: SideBySide) -> Iterator[str]:
    found = results.about.get("alike_pairs")
    if not found:
        return
    yield "## Alike, but not the same\n"
    yield (
        f"{found['pairs']:,} pairs of items have a similarity of {found['similarity']} or more and different "
        "references. The share of pairs that got the same text:\n"
    )
    rows = [[run, estimate_in_words(share)] for run, share in found["same_answer"].items()]
    yield from table_lines(["run", "same text for both"], rows)


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


def estimate_in_words(estimate: Mapping[str, float] | None) -> str:
    """Return a value with its interval, or a dash where there is none."""
    if estimate is None:
        return "–"
    return f"{estimate['value']:.3f} [{estimate['low']:.3f}, {estimate['high']:.3f}]"


def table_lines(header: Sequence[str], rows: Iterator[list[str]] | list[list[str]]) -> Iterator[str]:
    """Yield the lines of a table in Markdown, and an empty one behind it."""
    yield f"| {' | '.join(header)} |"
    yield f"|{'---|' * len(header)}"
    for row in rows:
        yield f"| {' | '.join(cell.replace('|', chr(92) + '|') for cell in row)} |"
    yield ""
