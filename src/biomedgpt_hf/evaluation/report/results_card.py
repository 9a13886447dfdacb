"""The card (README.md) of a repository with the answers and scores of an evaluation, made from its `metrics.json`."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import yaml

from biomedgpt_hf.evaluation.report.markdown import as_short_markdown
from biomedgpt_hf.evaluation.report.side_by_side import SideBySide
from biomedgpt_hf.publishing.card_mark import mark_card
from biomedgpt_hf.publishing.model_card_text import BIOMEDGPT_LIMITS
from biomedgpt_hf.publishing.use_restriction import USE_RESTRICTION
from biomedgpt_hf.rows.licenses import depositors_table, hub_licenses

SPLITS = ("train", "validation", "test")  # that the Hub knows; answers to anything else are called test
TAGS = ["biomedgpt", "biology", "chemistry", "evaluation", "predictions"]
FRAME = """\
---
{metadata}---

# Answers of {model} to {of_set}

What {model} answered to {rows:,} rows ({split}) of {of_set}, with the references, the scores, and the rows that tell
what the scores are worth. `report.md` is the whole report, `metrics.json` the same as data.

```python
from datasets import load_dataset

answers = load_dataset("{repo_id}", "predictions")
```

The files alone are enough to score the answers again, without the model:

```bash
hf download {repo_id} --repo-type dataset --local-dir answers
biomedgpt {again}
```

{scores}
In brackets: 95 % intervals of {resamples:,} bootstrap resamples. Protocol version {protocol}.

## Limits

{limits}
- {use_restriction}

## Licence

Questions, references and items are those of the set, and the answers repeat parts of them. Keep the sources' names
with them. The answers were written by {model}, whose own licence may limit what is done with its output.

{depositors}
"""


def results_card(
    results: SideBySide, depositors: Sequence[Mapping[str, Any]], answers: Mapping[str, str], repo_id: str
) -> str:
    """Return the card.

    Args:
        results: what was scored; the model's run is the first.
        depositors: "source", "license" and "rows" of the scored rows.
        answers: files of answers by the name under which they are loaded; the model's are the first.
        repo_id: the repository that the card is for.
    """
    about = results.about
    of_set = about["set"]
    split = str(of_set.get("split"))
    is_choice = "words" not in results.metrics and any("na_rate" in results.scores_of(name) for name in results.metrics)
    return mark_card(
        FRAME.format(
            metadata=_metadata(results, depositors, answers, split if split in SPLITS else "test"),
            model=results.runs[0]["name"],
            of_set=of_set["name"],
            rows=of_set["rows"],
            split=f"split {split}" if split in SPLITS else split,
            repo_id=repo_id,
            again="report answers/metrics.json" if is_choice else "score answers/predictions.jsonl --output again.json",
            scores=as_short_markdown(results).replace("\n## ", "\n### ").replace("## ", "## Scores\n\n### ", 1),
            resamples=about["resamples"],
            protocol=about["protocol_version"],
            limits=BIOMEDGPT_LIMITS.format(blindness=""),
            use_restriction=USE_RESTRICTION,
            depositors=depositors_table(depositors),
        )
    )


def _metadata(
    results: SideBySide, depositors: Sequence[Mapping[str, Any]], answers: Mapping[str, str], split: str
) -> str:
    configs = [
        {"config_name": name, "data_files": [{"split": split, "path": file}], **({} if place else {"default": True})}
        for place, (name, file) in enumerate(answers.items())
    ]
    facts = {
        "pretty_name": f"Answers of {results.runs[0]['name']} to {results.about['set']['name']}",
        "license": hub_licenses(depositors),
        "task_categories": ["question-answering"],
        "tags": TAGS,
        "configs": configs,
    }
    return str(yaml.safe_dump(facts, sort_keys=False, allow_unicode=True, width=10_000))
