"""Rows of different records that ask the same about the same items.

copy             the same answer as another row, whatever its identifier: word for word, or with the items written in
                 another way (the SMILES OCC for CCO)
contradiction    an answer that differs from another row's

Items are the same by `ITEM_KEYS`, stereo, charges, isotopes and all parts of a salt included; texts whatever their
white space, but not their case, since an answer may be a SMILES. All is counted in one SQLite file, in constant
memory. Digests of 64 bits stand for questions and answers: of forty sets with a thousand million rows, one would have a
pair that is mistaken for a repetition.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Mapping
from functools import lru_cache
from typing import Any, NamedTuple

from biomedgpt_hf.disk.databases import Database
from biomedgpt_hf.files.items.cells import item_key, item_text
from biomedgpt_hf.modalities import MODALITIES, MOLECULE, PROTEIN
from biomedgpt_hf.rows.schema import to_conversation
from biomedgpt_hf.similarity.hashing import digest
from biomedgpt_hf.similarity.kmers import sequence_key
from biomedgpt_hf.similarity.structure_key import canonical_smiles

KEEP, DROP = "keep", "drop"
COPY, CONTRADICTION = "copy of another row", "contradictory answers"
TABLES = """
CREATE TABLE IF NOT EXISTS claims
    (number INTEGER, row INTEGER, asked INTEGER, answer INTEGER, written INTEGER, PRIMARY KEY (number, row))
    WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS dropped
    (number INTEGER, row INTEGER, reason TEXT, other INTEGER, PRIMARY KEY (number, row)) WITHOUT ROWID;
"""
# The claims about questions that are asked more than once. Of copies the one that is scored is the first.
REPEATED = """
CREATE TABLE repeated AS
    SELECT number, row, asked, answer, written,
        CASE split WHEN 'test' THEN 0 WHEN 'validation' THEN 1 ELSE 2 END AS turn
    FROM claims JOIN examples USING (number)
    WHERE asked IN (SELECT asked FROM claims GROUP BY asked HAVING COUNT(*) > 1);
CREATE INDEX repeated_answers ON repeated (asked, answer);
"""
COPIES = """
SELECT * FROM (
    SELECT number, row, FIRST_VALUE(number) OVER answers AS other, ROW_NUMBER() OVER answers > 1 AS copy,
        ROW_NUMBER() OVER (PARTITION BY asked, answer, written ORDER BY turn, number, row) > 1 AS word_for_word
    FROM repeated WINDOW answers AS (PARTITION BY asked, answer ORDER BY turn, number, row)
) WHERE copy
"""
CONTRADICTORY = "SELECT asked FROM repeated GROUP BY asked HAVING MIN(answer) <> MAX(answer)"
COUNTS = {
    "copies": f"SELECT COUNT(*) FROM ({COPIES})",
    "copies_written_differently": f"SELECT COUNT(*) FROM ({COPIES}) WHERE NOT word_for_word",
    "items_written_differently": "SELECT COUNT(*) FROM "
    "(SELECT asked FROM repeated GROUP BY asked HAVING MIN(written) <> MAX(written))",
    "contradictory_questions": f"SELECT COUNT(*) FROM ({CONTRADICTORY})",
    "contradictory_rows": f"SELECT COUNT(*) FROM repeated WHERE asked IN ({CONTRADICTORY})",
}
DROPS = {
    CONTRADICTION: f"""INSERT INTO dropped SELECT number, row, '{CONTRADICTION}', (SELECT MIN(number) FROM repeated AS
        others WHERE others.asked = repeated.asked AND others.answer <> repeated.answer)
        FROM repeated WHERE asked IN ({CONTRADICTORY})""",
    COPY: f"INSERT OR IGNORE INTO dropped SELECT number, row, '{COPY}', other FROM ({COPIES})",
}
# Records of which no row is left, each with the reason of its first row and the place of the record that row repeats.
REJECT_EMPTIED = f"""
INSERT OR REPLACE INTO rejected
SELECT own.number, own.file, own.line, own.id, reason,
    CASE reason WHEN '{COPY}' THEN 'repeats ' ELSE 'contradicts ' END || other.id || ', line ' || other.line || ' of '
    || other.file, 0
FROM (SELECT number, reason, other, MIN(row) FROM dropped GROUP BY number
      HAVING COUNT(*) = (SELECT COUNT(*) FROM claims WHERE claims.number = dropped.number)) AS emptied
    JOIN examples AS own ON own.number = emptied.number JOIN examples AS other ON other.number = emptied.other
"""  # noqa: S608


def repetition_options(duplicates: str, contradictions: str) -> dict[str, str]:
    """Return what a manifest says of these choices, which is nothing where all is kept.

    Raises:
        ValueError: a choice is neither to keep nor to drop.
    """
    chosen = {"duplicates": duplicates, "contradictions": contradictions}
    for name, choice in chosen.items():
        if choice not in (KEEP, DROP):
            raise ValueError(f"{name} is {choice!r}: choose {KEEP} or {DROP}.")
    return {name: choice for name, choice in chosen.items() if choice != KEEP}


class Claim(NamedTuple):
    """What a row says, as digests of 64 bits with a sign.

    Attributes:
        asked: the question and the items that it is about.
        answer: the answer.
        written: the items as they are written.
    """

    asked: int
    answer: int
    written: int


def claim_of(row: Mapping[str, Any]) -> Claim:
    """Return what a row that was validated says; its answer is the last message of the assistant."""
    messages = to_conversation(row)
    last = max(place for place, message in enumerate(messages) if message["role"] == "assistant")
    answer = messages.pop(last)
    items = [block for message in messages for block in message["content"] if block["type"] in MODALITIES]
    asked = [
        [message["role"], *(_key(block) for block in message["content"])]
        for message in messages
    ]  # fmt: skip
    return Claim(
        _signed(json.dumps(asked)),
        _signed(json.dumps([_key(block) for block in answer["content"]])),
        _signed(json.dumps([item_text(block[block["type"]]) for block in items])),
    )


def add_claims(base: Database, number: int, claims: Iterable[tuple[int, Claim]]) -> None:
    """Add the claims of an accepted record, each with the position of its row."""
    rows = [(number, row, *claim) for row, claim in claims]
    base.execute_many("INSERT INTO claims VALUES (?, ?, ?, ?, ?)", rows)


def settle_claims(base: Database, choices: Mapping[str, str]) -> dict[str, int]:
    """Count the repetitions among the examples, and choose the rows to drop; what was chosen before is forgotten.

    Args:
        base: the file with `TABLES` and the examples with their splits.
        choices: `COPY` and `CONTRADICTION`, each with `KEEP` or `DROP`.

    Returns:
        How many of each of `COUNTS` there are, and how many rows are dropped.
    """
    base.execute("DROP TABLE IF EXISTS repeated")
    base.execute("DELETE FROM dropped")
    for statement in filter(None, map(str.strip, REPEATED.split(";"))):
        base.execute(statement)
    counts = {name: int(base.row(query)[0]) for name, query in COUNTS.items()}
    for reason, query in DROPS.items():
        if choices[reason] == DROP:
            base.execute(query)
    base.execute("DROP TABLE repeated")
    return {**counts, "rows_left_out": int(base.row("SELECT COUNT(*) FROM dropped")[0])}


def dropped_rows(base: Database, records: tuple[int, int]) -> set[int]:
    """Return the places of the rows to drop in the chunk that holds these records, the last one not included."""
    return {row for (row,) in base.rows("SELECT row FROM dropped WHERE number >= ? AND number < ?", records)}


def reject_emptied(base: Database) -> None:
    """Reject the records of which `settle_claims` left no row, by rule and not as faulty."""
    base.execute(REJECT_EMPTIED)


def tell_repetitions(counts: Mapping[str, int], options: Mapping[str, Any]) -> list[str]:
    """Return in sentences what a manifest's counts say of repetitions, and what was chosen; none where there are none.

    Args:
        counts: what `settle_claims` returned.
        options: those of the manifest.
    """
    found = {name: f"{counts.get(name, 0):,}" for name in COUNTS}
    sentences = []
    if counts.get("copies"):
        sentences.append(
            f"Rows that ask the same about the same items as another row, and have the same answer: {found['copies']}, "
            f"of which {found['copies_written_differently']} write the items differently"
            f" ({_told_choice('duplicates', options)})."
        )
    if counts.get("contradictory_questions"):
        sentences.append(
            f"Questions about the same items with different answers: {found['contradictory_questions']}, in "
            f"{found['contradictory_rows']} rows ({_told_choice('contradictions', options)})."
        )
    if counts.get("items_written_differently"):
        sentences.append(
            f"Questions whose items are written in several ways, such as one structure by several SMILES: "
            f"{found['items_written_differently']}."
        )
    return sentences


def _told_choice(name: str, options: Mapping[str, Any]) -> str:
    if options.get(name) == DROP:
        return "left out, all of them" if name == "contradictions" else "left out, but the first of each"
    return f"kept; --{name} {DROP} leaves them out"


def _key(block: Mapping[str, Any]) -> list[str]:
    kind, value = block["type"], block[block["type"]]
    return [kind, ITEM_KEYS[kind](value) if kind in ITEM_KEYS else item_key(value, kind)]


def _plain(text: str) -> str:
    return " ".join(text.split())


@lru_cache(maxsize=1024)
def _structure(molecule: str) -> str:
    try:
        return canonical_smiles(molecule)
    except ValueError:  # a builder's own rule may let it pass
        return molecule


ITEM_KEYS: Mapping[str, Callable[[str], str]] = {
    "text": _plain,
    MOLECULE.name: _structure,
    PROTEIN.name: sequence_key,
}


def _signed(text: str) -> int:
    return digest(text) - 2**63
