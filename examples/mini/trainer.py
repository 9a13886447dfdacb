"""The Hugging Face Trainer with the draws of `rows`, and with written answers to choose the best checkpoint by."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import torch
from nltk.translate.bleu_score import corpus_bleu
from torch.utils.data import DataLoader
from transformers import Trainer

from biomedgpt_hf import BioMedGPTDataCollator
from biomedgpt_hf.neighbours.evidence import KNOWN
from biomedgpt_hf.rows.schema import to_conversation
from mini.rows import Draws, Row, answer_of, question_of

ANSWER_TOKENS = 200
AT_ONCE = 32  # answers that are written together


class EvidenceCollator(BioMedGPTDataCollator):
    """A collator that has the texts of known items learnt, too: they are captions like the answer.

    Each is written with those before it in sight, which trains the reading of evidence, and a row gives about three
    times as many tokens to learn for the same work.
    """

    def __call__(self, rows: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
        """Return the collator's batch, with labels at the ordinary tokens of questions that hold evidence."""
        batch = super().__call__(rows)
        apart = torch.tensor(sorted(self.processor.tokenizer.added_tokens_decoder))  # placeholders, common parts, ends
        holds = torch.tensor([question_of(row).startswith(KNOWN) for row in rows])
        learnt = holds[:, None] & ~torch.isin(batch["input_ids"], apart)
        batch["labels"] = torch.where(learnt, batch["input_ids"], batch["labels"])
        return batch


class MiniTrainer(Trainer):
    """A `Trainer` whose batches are draws.

    Args:
        draws: the batches of the whole training.
        questions: held-out rows, by a name; their answers are written and scored at each evaluation.
        **others: see `Trainer`.
    """

    def __init__(self, draws: Draws, questions: Mapping[str, Sequence[Row]], **others: Any) -> None:
        super().__init__(**others)
        self.draws, self.questions = draws, questions

    def get_train_dataloader(self) -> DataLoader:
        """Return batches of draws; the trainer's own way of resuming passes over those that are done."""
        loader: DataLoader = DataLoader(
            self.train_dataset,
            batch_sampler=self.draws,
            collate_fn=self.data_collator,
            num_workers=self.args.dataloader_num_workers,
        )
        return self.accelerator.prepare(loader)

    def evaluate(self, *_: Any, metric_key_prefix: str = "eval", **__: Any) -> dict[str, float]:
        """Return BLEU-2 of the written answers to each set of questions, and the mean of these."""
        scores = {}
        for name, rows in self.questions.items():
            written = write_answers(self.model, self.processing_class, rows)
            references = [[answer_of(row).split()] for row in rows]
            candidates = [answer.split() for answer in written]
            scores[f"{metric_key_prefix}_{name}"] = float(corpus_bleu(references, candidates, weights=(0.5, 0.5)))
            equal = sum(answer == answer_of(row) for answer, row in zip(written, rows, strict=True))
            scores[f"{metric_key_prefix}_{name}_exact"] = equal / len(rows)
            scores[f"{metric_key_prefix}_{name}_length"] = sum(map(len, candidates)) / sum(
                len(reference[0]) for reference in references
            )
        chosen = [score for name, score in scores.items() if not name.endswith(("_exact", "_length"))]
        scores[f"{metric_key_prefix}_bleu2"] = sum(chosen) / len(chosen)
        self.log(scores)
        self.control: Any = self.callback_handler.on_evaluate(self.args, self.state, self.control, scores)
        return scores


@torch.inference_mode()
def write_answers(model: Any, processor: Any, rows: Sequence[Row]) -> list[str]:
    """Return the model's likeliest answers to the questions of rows."""
    was_training = model.training
    model.eval()
    answers = []
    for start in range(0, len(rows), AT_ONCE):
        conversations = [to_conversation(row)[:-1] for row in rows[start : start + AT_ONCE]]
        batch = processor.apply_chat_template(
            conversations,
            tokenize=True,
            add_generation_prompt=True,
            return_dict=True,
            return_tensors="pt",
            processor_kwargs={"padding": True, "padding_side": "left"},
        ).to(model.device)
        written = model.generate(**batch, max_new_tokens=ANSWER_TOKENS, do_sample=False)
        answers += processor.batch_decode(written[:, batch["input_ids"].shape[1] :], skip_special_tokens=True)
    model.train(was_training)
    return [answer.strip() for answer in answers]
