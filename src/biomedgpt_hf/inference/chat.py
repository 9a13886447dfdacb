"""One question, or a conversation, about molecules, proteins and items of further modalities."""

from __future__ import annotations

import warnings
from collections.abc import Generator, Mapping
from functools import cached_property
from os import PathLike
from typing import TYPE_CHECKING, Any, NamedTuple

import torch
from transformers import BatchFeature

from biomedgpt_hf.inference.answering import DEFAULT_NEW_TOKENS, Generated, generate_answers, room_for_answer
from biomedgpt_hf.inference.confidence import check_least, open_confidence
from biomedgpt_hf.inference.decoding import decoding, generation_arguments
from biomedgpt_hf.inference.evidence import open_evidence, put_in_prompt
from biomedgpt_hf.inference.item_arguments import Given, given_items, item_blocks, split_arguments
from biomedgpt_hf.inference.loading import load, open_checkpoint
from biomedgpt_hf.inference.streaming import words_of
from biomedgpt_hf.mini import DEMONSTRATION, is_mini, mini_checkpoint

if TYPE_CHECKING:
    from biomedgpt_hf.chemistry.computed import ComputedFacts
    from biomedgpt_hf.inference.evidence import Evidence, EvidenceSource
    from biomedgpt_hf.modeling.modeling_biomedgpt import BioMedGPTForConditionalGeneration
    from biomedgpt_hf.neighbours import Neighbour


class Answer(NamedTuple):
    """What the model said.

    Attributes:
        text: the model's own words, and nothing else.
        log_probability: sum of the natural log-probabilities that the model gave the answer's tokens, its end
            included. It tells how sure the model is of its words, not whether they are true.
        warnings: what a reader of the answer should know.
        neighbours: the nearest known items of what was asked about, with what is known of them: evidence beside the
            model's words.
        finish_reason: "stop" where the answer ended by itself, "length" where it was cut.
        computed: what RDKit computes about the molecules that were asked about.
        confidence: how right the answer is likely to be, 0 to 1: of answers like this one, this share was right on
            average. None where the checkpoint has no calibration.
        withheld: why the text is left out (`min_confidence`); None where it is there.
    """

    text: str
    log_probability: float
    warnings: tuple[str, ...]
    neighbours: tuple[Neighbour, ...] = ()
    finish_reason: str = "stop"
    computed: tuple[ComputedFacts, ...] = ()
    confidence: float | None = None
    withheld: str | None = None


class Turn(NamedTuple):
    """A question, ready to be answered.

    Attributes:
        messages: the conversation, the question included.
        inputs: the conversation as the model reads it, a batch of one.
        notes: the processor's warnings.
        evidence: what is known of the items of the question.
        generation: arguments of `generate_answers`.
    """

    messages: list[dict[str, Any]]
    inputs: BatchFeature
    notes: list[str]
    evidence: Evidence | None
    generation: dict[str, Any]


class Chat:
    """A conversation with a checkpoint. Every question sees the turns before it.

    The model's weights are loaded when a question has been read and can be answered.

    Args:
        checkpoint: folder or Hub id; None is the embedded demonstration.
        device: where to run; None is the first of cuda, mps, cpu.
        dtype: "float32", "bfloat16", "float16", or "auto" for the precision that the checkpoint was saved in.
        revision: branch, tag or commit of a checkpoint on the Hub.
        evidence: give each answer what is known of its new items: the nearest known ones, and what RDKit computes.
        index: folder of an index of known items (see `biomedgpt_hf.neighbours`); None for the embedded one, if the
            package has one.
        neighbours: how many of the nearest known items each answer gets for each new item; None for one.
        in_prompt: let the model read what is known before it answers. Known items for which its context has no room
            are left out, the farthest first, and the answer's warnings tell how many.
        min_confidence: leave out the text of answers with a confidence below this, 0 to 1; such a question and its
            answer do not enter the conversation. The checkpoint needs a calibration (`biomedgpt calibrate`).

    Raises:
        ValueError: arguments do not fit together, or the checkpoint cannot be used or is not calibrated.
        OSError: there is no such checkpoint or index.

    Example:
        >>> chat = Chat()
        >>> answer = chat.ask("What is this?", molecules="CCO")
        >>> answer = chat.ask("Is it soluble in water?")
    """

    def __init__(
        self,
        checkpoint: str | PathLike | None = None,
        device: str | torch.device | None = None,
        *,
        dtype: str = "auto",
        revision: str | None = None,
        evidence: bool = True,
        index: str | PathLike | None = None,
        neighbours: int | None = None,
        in_prompt: bool = False,
        min_confidence: float | None = None,
    ) -> None:
        check_least(min_confidence)
        self.evidence: EvidenceSource | None = open_evidence(evidence, index, neighbours, in_prompt, device=device)
        self._source = (str(checkpoint or mini_checkpoint()), device, dtype, revision)
        self.config, self.processor = open_checkpoint(*self._source)
        self.confidence = open_confidence(checkpoint, revision, min_confidence, self.evidence)
        self.notes = (DEMONSTRATION,) if is_mini(self._source[0]) else ()
        self.messages: list[dict[str, Any]] = []

    @cached_property
    def model(self) -> BioMedGPTForConditionalGeneration:
        """The model. It is loaded when it is first used."""
        return load(*self._source)[0]

    def ask(self, question: str, molecules: Given = None, proteins: Given = None, **others: Any) -> Answer:
        """Answers a question and remembers both.

        Args:
            question: text without placeholders.
            molecules: one molecule or several (SMILES, InChI, RDKit `Mol`, PyG `Data`), new in this turn: a list, a
                Series, an array, or a table with a column of them.
            proteins: one sequence or several, likewise.
            others: items of further modalities by their columns, such as `cells=[…]`, and arguments of `generate`, such
                as `max_new_tokens` or `num_beams`; greedy by default, sampled with `temperature`, `top_p` or `top_k`,
                from a `seed` if one is given.

        Raises:
            ValueError: on an empty question, an item that cannot be read, a prompt that is too long, or a model whose
                numbers are not finite.
            TypeError: on an argument that does not exist, such as `molecule`.
        """
        turn = self._read(question, {"molecules": molecules, "proteins": proteins, **others}, "ask")
        return self._remember(turn, self._generate(turn))

    def stream(
        self, question: str, molecules: Given = None, proteins: Given = None, **others: Any
    ) -> Generator[str, None, Answer]:
        """Answers as `ask` does, and hands the answer out while it is written.

        The model works in a thread of its own. If the reader leaves the stream before its end, the model stops and the
        conversation stays as it was. With `min_confidence` nothing is handed out before the whole answer is known.

        Args:
            question, molecules, proteins, others: as for `ask`; beams cannot be streamed.

        Returns:
            An iterator over pieces of text; joined, they are the answer's text. `yield from` it gives the `Answer`.

        Raises:
            ValueError: see `ask`. Errors that occur while the model writes are raised by the iterator.

        Example:
            >>> for piece in Chat().stream("What is this?", molecules="CCO"):
            ...     print(piece, end="", flush=True)
        """
        turn = self._read(question, {"molecules": molecules, "proteins": proteins, **others}, "stream")

        def pieces() -> Generator[str, None, Answer]:
            if self.confidence.least is not None:
                answer = self._remember(turn, self._generate(turn))
                if answer.text:
                    yield answer.text
                return answer
            generated = yield from words_of(
                lambda streamer: self._generate(turn, streamer=streamer),
                lambda tokens: self.processor.decode(tokens, skip_special_tokens=True),
            )
            return self._remember(turn, generated)

        return pieces()

    def _read(self, question: str, arguments: Mapping[str, Any], function: str) -> Turn:
        """Return the turn of a new question, of which everything has been checked that needs no model.

        Args:
            question: its text.
            arguments: what was given for each modality, by its column, and the arguments of `generate`.
            function: who was called, for errors.
        """
        given, generation = split_arguments(arguments, generation_arguments(), function)
        if not isinstance(question, str) or not question.strip():
            raise ValueError(f"The question is {question!r}. It must be a text that is not empty.")
        generation = decoding(generation)
        items = {modality: given_items(one_or_several, modality) for modality, one_or_several in given.items()}
        content = [*item_blocks(items), {"type": "text", "text": question.strip()}]
        messages = [*self.messages, {"role": "user", "content": content}]
        most = generation.get("max_new_tokens", DEFAULT_NEW_TOKENS)
        inputs, notes = self._encode(messages)
        known = self.evidence.of(items, question.strip()) if self.evidence else None
        if known and known.neighbours and self.evidence and self.evidence.in_prompt:
            messages, known, told = self._with_evidence(messages, known, most)
            inputs, notes = self._encode(messages)
            notes += told
        try:
            generation["max_new_tokens"] = room_for_answer(self.config, inputs["input_ids"].shape[1], most)
        except ValueError as error:
            raise ValueError(f"{error} Start a new conversation.") from error
        return Turn(messages, inputs, notes, known, generation)

    def _encode(self, messages: list[dict[str, Any]]) -> tuple[BatchFeature, list[str]]:
        """Return a conversation as the model reads it, and the processor's warnings."""
        with warnings.catch_warnings(record=True) as caught:
            warnings.simplefilter("always", UserWarning)
            inputs = self.processor.apply_chat_template(
                messages, add_generation_prompt=True, tokenize=True, return_dict=True, return_tensors="pt"
            )
        return inputs, [str(one.message) for one in caught if issubclass(one.category, UserWarning)]

    def _with_evidence(
        self, messages: list[dict[str, Any]], known: Evidence, most: int
    ) -> tuple[list[dict[str, Any]], Evidence, list[str]]:
        """Return a conversation with what is known in its last question, which of it stands there, and what to tell."""
        length = lambda one: self._encode(one)[0]["input_ids"].shape[1]  # noqa: E731
        return put_in_prompt(messages, known, lambda one: room_for_answer(self.config, length(one), most) == most)

    def _generate(self, turn: Turn, **streaming: Any) -> Generated:
        limits = [turn.generation["max_new_tokens"]]
        inputs = turn.inputs.to(self.model.device)
        (answer,) = generate_answers(self.model, self.processor, inputs, limits, **turn.generation, **streaming)
        if answer.error is not None:
            raise ValueError(
                f"{answer.error} It was loaded as {self.model.dtype}: download or convert the checkpoint again."
            )
        return answer

    def _remember(self, turn: Turn, generated: Generated) -> Answer:
        """Add the turn to the conversation, unless its answer is left out, and return the answer."""
        neighbours = turn.evidence.neighbours if turn.evidence else None
        has_items = any(block["type"] != "text" for block in turn.messages[-1]["content"])
        confidence = self.confidence.of(generated.text, generated.log_probability, neighbours if has_items else None)
        withheld = self.confidence.why_withheld(confidence)
        text = generated.text if withheld is None else ""
        if withheld is None:
            self.messages = [*turn.messages, {"role": "assistant", "content": [{"type": "text", "text": text}]}]
        notes = [*self.notes, *turn.notes]
        if generated.finish_reason == "length" and withheld is None:
            notes.append(f"The answer was cut at {generated.tokens} tokens. Raise max_new_tokens to get all of it.")
        computed = turn.evidence.computed if turn.evidence else ()
        told = (text, generated.log_probability, tuple(notes), neighbours or ())
        return Answer(*told, generated.finish_reason, computed, confidence, withheld)


def ask(
    question: str,
    molecules: Given = None,
    proteins: Given = None,
    checkpoint: str | PathLike | None = None,
    *,
    device: str | torch.device | None = None,
    dtype: str = "auto",
    revision: str | None = None,
    evidence: bool = True,
    index: str | PathLike | None = None,
    neighbours: int | None = None,
    in_prompt: bool = False,
    min_confidence: float | None = None,
    **others: Any,
) -> Answer:
    """Asks one question about molecules, proteins or items of further modalities; see [`Chat`] and [`Chat.ask`].

    The checkpoint (None: the embedded demonstration) is loaded at the first question and kept for the next.

    Example:
        >>> ask("Describe this molecule.", molecules="CC(=O)Oc1ccccc1C(=O)O").text
        'The molecule is ...'
    """
    known: dict[str, Any] = {"evidence": evidence, "index": index, "neighbours": neighbours, "in_prompt": in_prompt}
    chat = Chat(checkpoint, device, dtype=dtype, revision=revision, min_confidence=min_confidence, **known)
    return chat.ask(question, molecules, proteins, **others)
