"""One question, or a conversation, about molecules and proteins."""

import warnings
from collections.abc import Sequence
from functools import lru_cache
from os import PathLike
from typing import Any, NamedTuple

import torch
from transformers import AutoModelForMultimodalLM, AutoProcessor

from ..checkpoints import find_config
from ..device import best_device
from ..mini import DEMONSTRATION, is_mini, mini_checkpoint

Items = Any | Sequence[Any] | None


class Answer(NamedTuple):
    """What the model said.

    Args:
        text: the answer.
        log_probability: sum of the natural log-probabilities that the model gave the answer's tokens, its end
            included. It tells how sure the model is of its words, not whether they are true.
        warnings: what a reader of the answer should know.
    """

    text: str
    log_probability: float
    warnings: tuple[str, ...]


class Chat:
    """A conversation with a checkpoint; every question sees the turns before it.

    Args:
        checkpoint: folder or Hub id; None is the embedded demonstration.
        device: where to run; None is the first of cuda, mps, cpu.

    Example:
        >>> chat = Chat()
        >>> answer = chat.ask("What is this?", molecules="CCO")
        >>> answer = chat.ask("Is it soluble in water?")
    """

    def __init__(self, checkpoint: str | PathLike | None = None, device: str | torch.device | None = None) -> None:
        checkpoint = str(checkpoint or mini_checkpoint())
        self.model, self.processor = load(checkpoint, str(device or best_device()))
        self.notes = (DEMONSTRATION,) if is_mini(checkpoint) else ()
        self.messages: list[dict[str, Any]] = []

    def ask(self, question: str, molecules: Items = None, proteins: Items = None, **generation: Any) -> Answer:
        """Answers a question and remembers both.

        Args:
            question: text without placeholders.
            molecules: one molecule or several (SMILES, InChI, RDKit `Mol`, PyG `Data`), new in this turn.
            proteins: one sequence or several, new in this turn.
            generation: arguments of `generate`, such as `max_new_tokens` or `num_beams`; greedy by default.

        Raises:
            ValueError: on an empty question, an unreadable molecule or protein, or a prompt that is too long.
        """
        if not isinstance(question, str) or not question.strip():
            raise ValueError(f"The question is {question!r}: ask something, in text.")
        content = [*blocks("molecule", molecules), *blocks("protein", proteins)]
        content.append({"type": "text", "text": question.strip()})
        messages = [*self.messages, {"role": "user", "content": content}]

        with warnings.catch_warnings(record=True) as caught:
            warnings.simplefilter("always", UserWarning)
            inputs = self.processor.apply_chat_template(
                messages, add_generation_prompt=True, tokenize=True, return_dict=True, return_tensors="pt"
            ).to(self.model.device)
        text, log_probability, notes = self._generate(inputs, generation)
        self.messages = [*messages, {"role": "assistant", "content": [{"type": "text", "text": text}]}]
        said = [str(warning.message) for warning in caught if issubclass(warning.category, UserWarning)]
        return Answer(text, log_probability, (*self.notes, *said, *notes))

    def _generate(self, inputs: Any, generation: dict[str, Any]) -> tuple[str, float, list[str]]:
        length = inputs["input_ids"].shape[1]
        limit = self.model.config.text_config.max_position_embeddings
        if length >= limit:
            raise ValueError(f"The conversation is {length} tokens long, but the model reads {limit}: start a new one.")
        arguments = {"do_sample": False, "max_new_tokens": 256, **generation}
        arguments["max_new_tokens"] = min(arguments["max_new_tokens"], limit - length)
        output = self.model.generate(**inputs, **arguments, return_dict_in_generate=True, output_logits=True)
        log_probabilities = self.model.compute_transition_scores(
            output.sequences, output.logits, beam_indices=output.get("beam_indices"), normalize_logits=True
        )[0]
        tokens = output.sequences[0, length:]
        ends = torch.tensor(self.model.generation_config.eos_token_id, device=tokens.device).view(-1)
        end = torch.isin(tokens, ends).nonzero()[:1].flatten() + 1  # behind the first end token, if there is one
        notes = [] if len(end) else [f"The answer was cut at {len(tokens)} tokens: raise max_new_tokens for all of it."]
        size = int(end[0]) if len(end) else len(tokens)
        text = self.processor.decode(tokens[:size], skip_special_tokens=True).strip()
        return text, log_probabilities[:size].sum().item(), notes


def ask(
    question: str,
    molecules: Items = None,
    proteins: Items = None,
    checkpoint: str | PathLike | None = None,
    *,
    device: str | torch.device | None = None,
    **generation: Any,
) -> Answer:
    """Asks one question about molecules or proteins; see [`Chat.ask`].

    The checkpoint (None: the embedded demonstration) is loaded at the first question and kept for the next.

    Example:
        >>> ask("Describe this molecule.", molecules="CC(=O)Oc1ccccc1C(=O)O").text
        'The molecule is ...'
    """
    return Chat(checkpoint, device).ask(question, molecules, proteins, **generation)


@lru_cache(maxsize=1)
def load(checkpoint: str, device: str) -> tuple[Any, Any]:
    """Loads a checkpoint's model, in evaluation mode and its own precision, and its processor; checks that they fit.

    Raises:
        OSError: if there is no such checkpoint.
        ValueError: if the model and the processor do not fit together.
    """
    find_config(checkpoint)
    processor = AutoProcessor.from_pretrained(checkpoint)
    model = AutoModelForMultimodalLM.from_pretrained(checkpoint, dtype="auto")
    processor.check_model(model.config)
    if device == "cpu" and model.dtype == torch.float16:
        model = model.float()  # half precision is two orders of magnitude slower there
    return model.to(device).eval(), processor


def blocks(modality: str, items: Items) -> list[dict[str, Any]]:
    """The message blocks of one item or several; a None among them is an error, as it would count as no item at all."""
    if items is None:
        return []
    if not isinstance(items, list | tuple) or hasattr(items, "_fields"):  # a graph is a tuple with fields
        items = [items]
    for position, item in enumerate(items):
        if item is None:
            raise ValueError(f"The {modality} {position} is None: pass a {modality}, or leave it out.")
    return [{"type": modality, modality: item} for item in items]
