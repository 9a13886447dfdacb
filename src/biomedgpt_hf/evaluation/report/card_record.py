"""What a model card tells of an evaluation: few enough numbers to stand in a checkpoint's configuration.

`publishing.evaluation_results` makes the card's table and its `model-index` of them.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from biomedgpt_hf.evaluation.multiple_choice.as_metric import ChosenLabels
from biomedgpt_hf.evaluation.results import MODEL, evidence_in_words

LEFT_OUT = ("risk_", "aurc")  # scores that a table cannot show well; metrics.json has them
OWN = "this model"  # its name in the results is where it lay on somebody's machine
DIGITS = 4


def card_record(results: Mapping[str, Any], name: str | None = None, title: str = "") -> dict[str, Any]:
    """Return what a card tells of the results that `metrics.json` holds, as JSON values.

    Args:
        results: of one checkpoint.
        name: what the set is called; its folder's name if None.
        title: the name that the set's builder gave it, if there is one.

    Returns:
        "set", "title", "split", "rows", "limit" and "sha256" of the set; "choices", whether it is multiple choice;
        "protocol" in words, and "evidence", which known items stood in the prompt, likewise; "created"; "runs", the
        model first and then the honest rows, each with "name" and "scores": [value, low, high] by their names; and
        "published" rows.
    """
    of_set, in_order = results["set"], sorted(results["runs"], key=lambda run: run["kind"] != MODEL)
    runs: list[dict[str, Any]] = [
        {"name": OWN if run["kind"] == MODEL else run["name"], "scores": _scores(run["scores"])} for run in in_order
    ]
    shown = runs[0]["scores"]
    return {
        "set": name or of_set["name"],
        "title": title,
        "split": of_set.get("split"),
        "evidence": evidence_in_words((in_order[0].get("predictions") or {}).get("run")),
        "rows": of_set["rows"],
        "limit": of_set.get("limit"),
        "sha256": of_set.get("sha256"),
        "choices": ChosenLabels.name in results["metrics"],
        "protocol": _protocol(results, in_order[0]),
        "created": results.get("created"),
        "runs": [run for run in runs if run["scores"].keys() & shown.keys()],
        "published": [
            {"name": row["name"], "source": row["source"], "scores": row["scores"]}
            for row in results.get("published", ())
            if row["scores"].keys() & shown.keys()
        ],
    }


def _scores(by_metric: Mapping[str, Any]) -> dict[str, list[float]]:
    return {
        name: [round(one[end], DIGITS) for end in ("value", "low", "high")]
        for scores in by_metric.values()
        for name, one in scores["all"].items()
        if isinstance(one, Mapping) and not name.startswith(LEFT_OUT)
    }


def _protocol(results: Mapping[str, Any], model: Mapping[str, Any]) -> str:
    """Return in words how the answers of a run were got and scored."""
    manifest = (model.get("predictions") or {}).get("run") or {}
    told = [f"protocol version {results['protocol_version']}"]
    if "protocol" in manifest:
        told.append(f"`{manifest['protocol']}` with {manifest.get('few_shot', 0)} examples")
    elif "max_new_tokens" in manifest:
        beams = manifest.get("num_beams", 1)
        how = "sampled" if manifest.get("do_sample") else "greedy" if beams == 1 else f"{beams} beams"
        told.append(f"{how}, at most {manifest['max_new_tokens']} new tokens")
    if evidence := evidence_in_words(manifest):
        told.append(evidence)
    if "dtype" in manifest:
        told.append(manifest["dtype"])
    if words := results["metrics"].get("words"):
        told.append(f"{words['protocol']}'s text metrics, vocabulary sha256 {words['tokenizer']['sha256'][:16]}…")
        told.append(f"WordNet {words['wordnet']['version']}" if words.get("wordnet") else "no WordNet")
    return ", ".join(told)
