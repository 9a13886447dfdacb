"""What the embedded checkpoint learns from: rows of several sets, each time asked a little otherwise.

A row is drawn for each task in fixed shares. Half of the rows that can have it come with evidence: a random number of
the nearest known items, as `--in-prompt` shows them, and never the item itself. Some rows only repeat random tokens,
so that copying is not forgotten.
"""

from __future__ import annotations

import json
import random
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from datasets import load_dataset
from torch.utils.data import Dataset, Sampler

from biomedgpt_hf.neighbours import Neighbour
from biomedgpt_hf.neighbours.evidence import answering_first, most_alike, with_evidence
from biomedgpt_hf.neighbours.many import nearest_of_many
from biomedgpt_hf.neighbours.neighbour import Text

Row = dict[str, Any]

SETS = ("molecules", "facts", "names", "proteins")
HELD_OUT = "validation"
# Share of the rows that are drawn, by task. "repetition" is no task of a set.
SHARES = {
    "molecule_caption": 0.44,
    "molecule_definition": 0.03,
    "molecule_class": 0.04,
    "molecule_broad_class": 0.04,
    "molecule_role": 0.02,
    "molecule_origin": 0.01,
    "molecule_iupac_name": 0.03,
    "molecule_fact": 0.23,
    "protein_names": 0.03,
    "protein_function": 0.02,
    "protein_family": 0.01,
    "protein_location": 0.02,
    "protein_membrane": 0.01,
    "protein_ec": 0.02,
    "protein_description": 0.01,
    "repetition": 0.04,
}
# Share of a task's rows that come with evidence; of the others, none does.
EVIDENCE = {
    "molecule_caption": 0.4,
    "molecule_definition": 0.5,
    "molecule_class": 0.5,
    "molecule_role": 0.5,
    "molecule_origin": 0.5,
    "protein_names": 0.5,
    "protein_function": 0.5,
    "protein_family": 0.5,
    "protein_location": 0.4,
    "protein_membrane": 0.4,
    "protein_ec": 0.4,
    "protein_description": 0.4,
}
MOST_NEIGHBOURS = 3  # in a prompt
NEAREST = 8  # from which they are chosen
LONGEST_EVIDENCE = 2000  # letters; the farthest known items are left out where there are more
# Some rows ask in other words, so that an answer does not hang on one sentence.
OTHER_WORDS = 0.25
PARAPHRASES = {
    "molecule_caption": (
        "Describe this molecule.",
        "What is this molecule?",
        "Tell me about this molecule.",
        "What is known about this molecule?",
        "Please give me some details about this molecule.",
        "What can you tell me about this compound?",
    ),
    "molecule_definition": ("Define this molecule.", "How is this molecule defined?"),
    "molecule_class": ("Which class does this molecule belong to?", "What class of compound is this?"),
    "molecule_role": ("What is the role of this molecule?", "Which role does this molecule have?"),
    "molecule_iupac_name": ("Name this molecule.", "Give the IUPAC name of this molecule."),
    "protein_function": ("What does this protein do?", "Please describe the function of this protein."),
    "protein_names": ("What is this protein called?", "Name this protein."),
    "protein_family": ("Which protein family does this protein belong to?", "What is the family of this protein?"),
    "protein_location": ("Where in the cell is this protein?", "Where is this protein located?"),
    "protein_ec": ("What is the EC number of this protein?", "Which EC number does this enzyme have?"),
}


@dataclass(frozen=True)
class Sample:
    """A row that may be drawn.

    Attributes:
        row: as `datasets` gives it.
        task: one of `SHARES`.
        near: known items, nearest first, without its own.
        length: about how many tokens it has without evidence.
    """

    row: Row
    task: str
    near: tuple[Neighbour, ...] = ()
    length: int = 0


def read_samples(data: Path, longest: int) -> tuple[list[Sample], list[Sample]]:
    """Return the rows to learn from and those that are held out, and tell how many are too long.

    Args:
        data: folder with a set for each of `SETS`, and the index `known`.
        longest: most tokens of a row, estimated.
    """
    learnt: list[Sample] = []
    held_out: list[Sample] = []
    too_long = 0
    for name in SETS:
        splits = load_dataset(str(data / name))
        rows = [(split == HELD_OUT, dict(row)) for split, of_split in splits.items() for row in of_split]
        if name == "proteins":  # the test split is for the measurements
            rows = [(split == HELD_OUT, dict(row)) for split in ("train", HELD_OUT) for row in splits[split]]
        near = read_neighbours(data, name, [row for _, row in rows])
        for is_held_out, row in rows:
            task = "molecule_fact" if row["task"].startswith("molecule_fact") else row["task"]
            sample = Sample(row, task, near.get(_asked(row), ()), estimated_length(row))
            if sample.length > longest:
                too_long += 1
            else:
                (held_out if is_held_out else learnt).append(sample)
    print(f"{len(learnt):,} rows to learn from, {len(held_out):,} held out, {too_long:,} too long")
    return learnt, held_out


def _item(row: Row) -> tuple[str, str]:
    return ("molecule", row["molecules"][0]) if row["molecules"] else ("protein", row["proteins"][0])


def question_of(row: Row) -> str:
    """Return the words of a row's question."""
    return next(block["text"] for block in row["messages"][0]["content"] if block["type"] == "text")


def answer_of(row: Row) -> str:
    """Return the words of a row's answer."""
    text: str = row["messages"][-1]["content"][0]["text"]
    return text


def _asked(row: Row) -> tuple[str, str]:
    return _item(row)[1], question_of(row)


def estimated_length(row: Row) -> int:
    """Return about how many tokens a row has: atoms, residues, and a token for four letters of text."""
    modality, item = _item(row)
    size = len(item) if modality == "protein" else sum(letter.isalpha() for letter in item)
    return size + (len(question_of(row)) + len(answer_of(row))) // 4 + 6


def read_neighbours(data: Path, name: str, rows: Sequence[Row]) -> dict[tuple[str, str], tuple[Neighbour, ...]]:
    """Return what is known near each row's item, by item and question, out of a file that is made once.

    Only rows of tasks that `EVIDENCE` names are looked up. An item itself, and what shares its structure key, is
    never among its neighbours.
    """
    path = data / f"neighbours-{name}.jsonl"
    wanted = {_asked(row): _item(row)[0] for row in rows if row["task"] in EVIDENCE}
    if wanted and not path.exists():
        modality = next(iter(wanted.values()))
        questions = defaultdict(list)
        for item, question in wanted:
            questions[item].append(question)
        found = nearest_of_many(data / "known", modality, list(questions), NEAREST * 8, exclude_same=True, processes=2)
        part = path.with_suffix(".part")
        with part.open("w", encoding="utf-8") as file:
            for (item, asked), neighbours in zip(questions.items(), found, strict=True):
                for question in asked:
                    kept = [_shortened(one, question) for one in answering_first(question, neighbours, NEAREST)]
                    file.write(json.dumps([item, question, kept]) + "\n")
        part.rename(path)
    near = {}
    if wanted:
        for line in path.read_text("utf-8").splitlines():
            item, question, kept = json.loads(line)
            near[item, question] = tuple(_read(one) for one in kept)
    return near


def _shortened(neighbour: Neighbour, question: str) -> list[Any]:
    text = most_alike(question, neighbour.texts)
    return [*neighbour._replace(texts=(text,) if text else ())]


def _read(values: Sequence[Any]) -> Neighbour:
    neighbour = Neighbour(*values)
    return neighbour._replace(texts=tuple(Text(*text) for text in neighbour.texts))


Draw = tuple[int, int, int]  # number of a sample, number of known items, and where chance begins


class DrawnRows(Dataset):
    """Rows by their draws; see `Draws`.

    Args:
        samples: what is drawn from.
        tokens: the tokens that random repetition is made of.
    """

    def __init__(self, samples: Sequence[Sample], tokens: Sequence[str]) -> None:
        self.samples, self.tokens = samples, tokens

    def __len__(self) -> int:
        return len(self.samples)

    def __getitem__(self, draw: Draw) -> Row:
        number, known, seed = draw
        chance = random.Random(seed)
        if number < 0:
            return repetition(self.tokens, chance)
        return drawn_row(self.samples[number], known, chance)


def drawn_row(sample: Sample, known: int, chance: random.Random | None = None) -> Row:
    """Return a row with some known items before its question.

    Args:
        sample: the row.
        known: how many known items.
        chance: whether to ask in other words, and which items to show; None for the set's own words and the nearest.
    """
    row, near = sample.row, list(sample.near)
    messages = row["messages"]
    if chance is not None:
        if chance.random() < OTHER_WORDS and (others := PARAPHRASES.get(sample.task)):
            messages = [_reworded(messages[0], chance.choice(others)), *messages[1:]]
        if chance.random() < 0.5:  # not always the nearest, so that similarity is learnt to matter
            near = [near[place] for place in sorted(chance.sample(range(len(near)), min(known, len(near))))]
    shown = near[:known]
    while sum(len(one.texts[0].answer) for one in shown if one.texts) > LONGEST_EVIDENCE:
        shown.pop()
    return {**row, "messages": with_evidence(messages, shown)}


def _reworded(message: Mapping[str, Any], question: str) -> dict[str, Any]:
    blocks = [{**block, "text": question} if block["type"] == "text" else block for block in message["content"]]
    return {**message, "content": blocks}


def repetition(tokens: Sequence[str], chance: random.Random) -> Row:
    """Return a row that repeats the random words of its question."""
    words = "".join(chance.choices(tokens, k=chance.randint(8, 48))).strip()
    question = {"role": "user", "content": [{"type": "text", "text": f"{words}\nRepeat this."}]}
    answer = {"role": "assistant", "content": [{"type": "text", "text": words}]}
    return {"id": "repetition", "messages": [question, answer], "molecules": [], "proteins": []}


class Draws(Sampler[list[Draw]]):
    """Batches of draws of similar length, the same in every run, so that a run that was cut off goes on.

    Args:
        samples: what is drawn from.
        batches: how many batches.
        tokens: most tokens of a batch, with padding, estimated.
        seed: where chance begins.
        pool: how many draws are put in order of length at a time.
    """

    def __init__(self, samples: Sequence[Sample], batches: int, tokens: int, seed: int = 0, pool: int = 1024) -> None:
        self.samples, self.batches, self.tokens, self.seed, self.pool = samples, batches, tokens, seed, pool
        self.of_task: dict[str, list[int]] = defaultdict(list)
        for number, sample in enumerate(samples):
            self.of_task[sample.task].append(number)
        self.tasks = [task for task in SHARES if task in self.of_task or task == "repetition"]

    def __len__(self) -> int:
        return self.batches

    def __iter__(self) -> Iterator[list[Draw]]:
        chance = random.Random(self.seed)
        left: list[list[Draw]] = []
        orders: dict[str, list[int]] = {task: [] for task in self.tasks}
        for _ in range(self.batches):
            if not left:
                left = self._pool(chance, orders)
            yield left.pop()

    def _pool(self, chance: random.Random, orders: dict[str, list[int]]) -> list[list[Draw]]:
        """Return batches of the next draws, in random order."""
        drawn: list[tuple[int, Draw]] = []
        for task in chance.choices(self.tasks, [SHARES[task] for task in self.tasks], k=self.pool):
            if task == "repetition":
                drawn.append((60, (-1, 0, chance.getrandbits(32))))
                continue
            if not orders[task]:  # every row of a task once, before any comes again
                orders[task] = chance.sample(self.of_task[task], len(self.of_task[task]))
            number = orders[task].pop()
            sample = self.samples[number]
            shown = chance.random() < EVIDENCE.get(task, 0)
            known = min(len(sample.near), chance.randint(1, MOST_NEIGHBOURS)) if shown else 0
            words = sum(len(one.texts[0].answer) for one in sample.near[:known] if one.texts)
            drawn.append((sample.length + words // 4 + 14 * known, (number, known, chance.getrandbits(32))))
        drawn.sort()
        batches: list[list[Draw]] = [[]]
        for length, draw in drawn:
            if batches[-1] and (len(batches[-1]) + 1) * length > self.tokens:
                batches.append([])
            batches[-1].append(draw)
        chance.shuffle(batches)
        return batches
