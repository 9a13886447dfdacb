"""Text, molecules and proteins in, one batch out: the processor of BioMedGPT (Luo et al., 2023; arXiv:2308.09442).

Shape letters:  B texts   T tokens   A atoms of a sample   F atom features   E directed bonds   G bond features
                P proteins of a sample   R tokens of a protein
"""

import copy
import os
from collections.abc import Callable, Mapping, Sequence
from itertools import count
from pathlib import Path
from typing import Any, Unpack

from jinja2 import TemplateError
from transformers import AutoTokenizer, BatchFeature, PreTrainedTokenizerBase
from transformers.processing_utils import ProcessorMixin

from .chat_templates import (
    InvalidConversationError,
    find_template,
    flatten_items,
    items_as_text,
    paper_template,
    reads_blocks,
)
from .control_tokens import control_tokens
from .item_readers import ITEM_READERS, ReadItem
from .molecular_graph import FEATURE_SETS, FeatureSet
from .processor_agreement import disagreements
from .processor_options import BioMedGPTProcessorKwargs, ProteinKwargs, read_options
from .prompt_items import check_item_counts, deal_items, is_list, items_of_conversations, read_conversation, read_texts
from .prompt_segments import SEGMENT_BREAK, Placeholder, Row, cut, tokenize_rows, with_tokens
from .prompt_tensors import as_lists, check_lengths, row_tensors
from .protein_tokenizer import InvalidProteinError, build_protein_tokenizer, read_residue_table

__all__ = ["BioMedGPTProcessor", "InvalidProteinError"]

DEFAULT_MODALITIES = ("molecule", "protein")  # of processors that do not say


class BioMedGPTProcessor(ProcessorMixin):
    """Makes a model's batch of text, molecules, proteins and items of further modalities.

    Args:
        tokenizer: the language model's. If it lacks a padding token or the placeholders, a copy gets `[PAD]`,
            `<moleculeHere>` and `<proteinHere>`, in this order, as the original does, and then those of further
            modalities.
        protein_tokenizer: the protein encoder's, any kind that has a token per residue; ESM-2's by default.
        chat_template: Jinja template of conversations, the paper's by default.
        molecule_features: "graphmvp" or "ogb", see `molecular_graph`.
        protein_feature_select: "full" gives `<cls>` and `<eos>` a placeholder too, as the published weights were
            trained; "residues" gives one to each residue only (paper §3.2).
        max_protein_length: most tokens of a protein, start and end included.
        max_context_length: most tokens of a text with its placeholders, the language model's context; None for no
            limit.
        modalities: which are read, in the order of their placeholders: molecules and proteins when None. Others have
            to be registered first, see `item_readers`.

    Raises:
        ValueError: if a modality is not registered, or the parts cannot work together.
    """

    # Set by the package, where it is at work: says what to raise where a processor cannot be loaded.
    explain: Callable[[Any, BaseException, str | None], Exception] | None = None
    valid_processor_kwargs = BioMedGPTProcessorKwargs
    protein_kwargs: ProteinKwargs = {"truncation": None}
    # A list of offsets is what the assistant mask is made from, token by token.
    skip_tensor_conversion = [*ProcessorMixin.skip_tensor_conversion, "offset_mapping"]

    def __init__(
        self,
        tokenizer: PreTrainedTokenizerBase | None = None,
        protein_tokenizer: PreTrainedTokenizerBase | None = None,
        chat_template: str | dict[str, str] | None = None,
        molecule_features: str = "graphmvp",
        protein_feature_select: str = "full",
        max_protein_length: int = 1024,
        max_context_length: int | None = None,
        modalities: Sequence[str] | None = None,
    ) -> None:
        if tokenizer is None:
            raise ValueError("BioMedGPTProcessor needs the language model's tokenizer: pass tokenizer=.")
        for name, value, known in (
            ("molecule_features", molecule_features, tuple(FEATURE_SETS)),
            ("protein_feature_select", protein_feature_select, ("full", "residues")),
        ):
            if not isinstance(value, str) or value not in known:
                raise ValueError(f"{name}={value!r} is unknown: choose one of {', '.join(known)}.")
        for length, tokens, kinds in (
            ("max_protein_length", max_protein_length, int),
            ("max_context_length", max_context_length, int | None),
        ):
            if not isinstance(tokens, kinds) or isinstance(tokens, bool):
                raise ValueError(f"{length}={tokens!r} is no number of tokens: pass a whole number.")
        if modalities is not None and not (
            isinstance(modalities, list | tuple) and all(isinstance(name, str) for name in modalities)
        ):
            raise ValueError(f"modalities={modalities!r} is no list of names.")
        self.modalities = list(modalities or DEFAULT_MODALITIES)
        if unknown := [name for name in self.modalities if name not in ITEM_READERS]:
            raise ValueError(
                f"This processor reads the modality {unknown[0]!r}, which is not registered in this process: call "
                "biomedgpt_hf.register_modality with it first, as before the checkpoint was saved."
            )
        self.readers = {name: ITEM_READERS[name] for name in self.modalities}
        tokenizer = with_tokens(tokenizer, [reader.placeholder for reader in self.readers.values()])
        for name, reader in self.readers.items():
            setattr(self, f"{name}_token", reader.placeholder)
            setattr(self, f"{name}_token_id", tokenizer.convert_tokens_to_ids(reader.placeholder))
        self.molecule_features = molecule_features
        self.protein_feature_select = protein_feature_select
        self.max_protein_length = max_protein_length
        self.max_context_length = max_context_length

        if protein_tokenizer is not None and self.placeholders[0].token in protein_tokenizer.get_vocab():
            raise ValueError(
                "The protein tokenizer is the language model's: the checkpoint's folder protein_tokenizer/ is missing "
                "or cannot be read. Copy or download the checkpoint again."
            )
        protein_tokenizer = build_protein_tokenizer(protein_tokenizer)
        self.residues = read_residue_table(protein_tokenizer)
        around = len(self.residues.start), len(self.residues.end)
        if protein_feature_select == "residues" and around != (1, 1):
            raise ValueError(
                f"protein_feature_select='residues' takes the encoder's first and last row off, but its tokenizer puts "
                f"{around[0]} tokens before the residues and {around[1]} after them. Use 'full'."
            )
        if max_protein_length <= sum(around):
            raise ValueError(f"max_protein_length={max_protein_length} leaves no room for a residue.")
        super().__init__(tokenizer, protein_tokenizer, chat_template=chat_template or paper_template())

    @classmethod
    def from_parts(
        cls,
        tokenizer: PreTrainedTokenizerBase | str | os.PathLike,
        protein_tokenizer: PreTrainedTokenizerBase | str | os.PathLike | None = None,
        chat_template: str | os.PathLike = "paper",
        **settings: Any,
    ) -> "BioMedGPTProcessor":
        """Make the processor of a new model out of those of its language model and protein encoder.

        Args:
            tokenizer: the language model's, or the folder or Hub id of it. It is copied: the copy pads on the left.
            protein_tokenizer: likewise the protein encoder's; ESM-2's by default.
            chat_template: "paper", "language-model" for the language model's own, a file, or a template's text.
            settings: the other arguments of the class.

        Raises:
            ValueError: if there is no such template, or the parts cannot work together.
        """
        tokenizer, protein_tokenizer = (
            AutoTokenizer.from_pretrained(part, trust_remote_code=False)
            if isinstance(part, str | os.PathLike)
            else part
            for part in (tokenizer, protein_tokenizer)
        )
        template = find_template(chat_template, tokenizer)
        processor = cls(tokenizer, protein_tokenizer, chat_template=template, **settings)
        if processor.tokenizer is tokenizer:  # where it lacked tokens, it is a copy already
            processor.tokenizer = copy.deepcopy(tokenizer)
        own = processor.tokenizer
        own.padding_side = own.init_kwargs["padding_side"] = "left"  # saved only where it was given
        own.chat_template = template
        return processor

    @classmethod
    def from_pretrained(cls, pretrained_model_name_or_path: str | os.PathLike, *args: Any, **kwargs: Any) -> Any:
        """As transformers', but nobody is asked whether code of the checkpoint shall run: without trust, it does not.

        Raises:
            ValueError: if a file cannot be used; with the package, the message names it.
            OSError: if there is no such checkpoint, or a file is missing.
        """
        kwargs["trust_remote_code"] = bool(kwargs.get("trust_remote_code"))
        try:
            return super().from_pretrained(pretrained_model_name_or_path, *args, **kwargs)
        except (KeyboardInterrupt, SystemExit):
            raise
        except BaseException as error:  # tokenizers' panics are no Exception
            if cls.explain is None:
                raise
            raise cls.explain(pretrained_model_name_or_path, error, kwargs.get("revision")) from error

    def accepts(self, word: str) -> str:
        """Return what a batch is made of, in words for messages: "text, molecules or proteins"."""
        *first, last = ["text", *(reader.column for reader in self.readers.values())]
        return f"{', '.join(first)} {word} {last}"

    @property
    def placeholders(self) -> list[Placeholder]:
        """The modalities' placeholders, in the order in which everything loops over them."""
        return [
            Placeholder(name, reader.placeholder, getattr(self, f"{name}_token_id"))
            for name, reader in self.readers.items()
        ]

    @property
    def model_input_names(self) -> list[str]:
        """The tensors of every batch, as transformers' processor tests define it; those of a modality come on top where
        a sample holds an item of it.
        """
        return ["input_ids", "attention_mask"]

    def __call__(
        self,
        text: str | Sequence[str] | None = None,
        molecules: Any = None,
        proteins: Any = None,
        suffix: str | Sequence[str] | None = None,
        **kwargs: Unpack[BioMedGPTProcessorKwargs],  # type: ignore[misc]  # a TypedDict, which mypy does not read
    ) -> BatchFeature:
        """Make a batch.

        Args:
            text: finished prompts, each with one placeholder `<moleculeHere>` or `<proteinHere>` per item. Special
                tokens in a prompt are read as such, as everywhere in transformers; for text of people there is
                `apply_chat_template`. None gives the items' tensors alone.
            molecules: SMILES, InChI, RDKit molecules, PyG `Data` or graphs: a list for one text, a list per text for
                several. (One item, or a flat list in the order of the placeholders, will do too.)
            proteins: likewise, amino-acid sequences. Items of further modalities are passed likewise, by their columns'
                names.
            suffix: an answer to each text, to train on: it is tokenised by itself, special tokens in it as plain text,
                the end token follows, and `labels` are returned.
            kwargs: as in transformers' other processors (`padding`, `padding_side`, `pad_to_multiple_of`,
                `max_length`, `return_tensors`, `add_special_tokens`, `return_offsets_mapping`, …), by themselves or in
                `text_kwargs` and `protein_kwargs`. `truncation=True` cuts proteins only, never a text. Padding goes to
                the right with `suffix`, else to the tokenizer's side.

        Returns:
            `input_ids`, `attention_mask` [B, T], and with `suffix` `labels` [B, T], −100 outside the answer;
            for molecules, if there are any, `atom_features` [B, A, F], `atom_mask`, `atom_molecule` [B, A],
            `bond_index` [B, 2, E], `bond_features` [B, E, G], `bond_mask` [B, E]; for proteins `protein_input_ids`,
            `protein_attention_mask` [B, P, R]. All int64; lists unless `return_tensors` is "pt" or "np".

        Raises:
            ValueError: if items and placeholders differ in number, or a text is too long.
            InvalidMoleculeError: if a molecule cannot be read.
            InvalidProteinError: if a protein cannot be read, or is too long.
        """
        items = self._take_items(kwargs, molecules=molecules, proteins=proteins)
        options = read_options(self, kwargs, with_answers=suffix is not None)
        if text is None and suffix is not None:
            raise ValueError("suffix= holds answers to texts: pass text= as well.")
        pieces = None if text is None else [cut(one, self.placeholders) for one in read_texts(text, "text")]
        samples = {name: self._read(name, of, options["truncation"]) for name, of in self._deal(pieces, items).items()}
        tensors: dict[str, Any] = {}
        if pieces is not None:
            lengths = {
                name: [[self.readers[name].count(item, self) for item in sample] for sample in of]
                for name, of in samples.items()
            }
            rows = self._tokenize(pieces, lengths, suffix, options)
            tensors = row_tensors(rows, self.placeholders, self.tokenizer.pad_token_id, options)
        for name, of in samples.items():
            if any(of):
                tensors |= self.readers[name].collate(of, self)
        if options["return_tensors"] is None:
            tensors = {name: as_lists(value) for name, value in tensors.items()}
        return BatchFeature(tensors, options["return_tensors"], self.skip_tensor_conversion)

    def _deal(self, pieces: list[list[str]] | None, given: dict[str, Any]) -> dict[str, list[list[Any]]]:
        """Return each modality's items by sample; without texts, every entry of a list is a sample."""
        samples = {}
        for name, reader in self.readers.items():
            items = given[name]
            if pieces is None:
                counts = [1] * (0 if items is None else 1 if reader.is_item(items) else len(items))
            else:
                counts = [piece.count(reader.placeholder) for piece in pieces]
            dealt = deal_items(items, reader, counts)
            if pieces is not None:
                check_item_counts(dealt, reader, counts, "Text")
            samples[name] = dealt
        sizes = {modality: len(of) for modality, of in samples.items() if of}
        if not sizes:
            raise ValueError(f"Nothing to process: pass {self.accepts('or')}.")
        if len(set(sizes.values())) > 1:
            columns = " and ".join(self.readers[name].column for name in sizes)
            raise ValueError(f"Without text, {columns} need a list per sample, but have {sizes} samples.")
        return samples

    def _take_items(self, kwargs: dict[str, Any], **named: Any) -> dict[str, Any]:
        """Return what was given of each modality: by arguments with a name, or for further ones among `kwargs`."""
        columns = {reader.column: name for name, reader in self.readers.items()}
        given = {column: items for column, items in named.items() if items is not None or column in columns}
        given |= {column: kwargs.pop(column) for column in columns if column in kwargs}
        if foreign := [column for column in given if column not in columns]:
            raise ValueError(f"This processor reads {', '.join(columns)}, but {foreign[0]} were given.")
        return {name: given.get(column) for column, name in columns.items()}

    def _read(self, modality: str, samples: list[list[Any]], truncation: bool) -> list[list[ReadItem]]:
        """Return the items of each sample as their reader makes them; positions in errors count through the batch."""
        read, positions = self.readers[modality].read, count()
        return [
            [read(item, self, position=next(positions), truncation=truncation) for item in sample] for sample in samples
        ]

    def _tokenize(
        self, pieces: list[list[str]], lengths: dict[str, list[list[int]]], suffix: Any, options: dict[str, Any]
    ) -> list[Row]:
        """Return the tokens of texts and answers."""
        answers = [] if suffix is None else read_texts(suffix, "suffix", len(pieces))
        if answers and self.tokenizer.eos_token_id is None:
            raise ValueError("suffix= needs an end token, but the tokenizer has none: set tokenizer.eos_token.")
        for position, answer in enumerate(answers):
            if len(cut(answer, self.placeholders)) > 1:
                raise ValueError(f"suffix {position} holds a placeholder, {answer!r}: an answer has no items.")
        rows = tokenize_rows(
            self.tokenizer,
            pieces,
            self.placeholders,
            lengths,
            answers=answers,
            add_special_tokens=options.get("add_special_tokens") is not False,
            with_offsets=options["with_offsets"],
            marked=bool(options.get("sanitize_control_tokens")),
        )
        limits = [limit for limit in (options.get("max_length"), self.max_context_length) if limit is not None]
        check_lengths(rows, self.placeholders, min(limits, default=None))
        return rows

    def apply_chat_template(
        self,
        conversation: Sequence[Any],
        chat_template: str | None = None,
        *,
        molecules: Any = None,
        proteins: Any = None,
        tokenize: bool = False,
        sanitize_control_tokens: bool | None = None,
        processor_kwargs: Mapping[str, Any] | None = None,
        **kwargs: Any,
    ) -> Any:
        """Write conversations as prompts, and with `tokenize=True, return_dict=True` make the batch of them.

        Args:
            conversation: a list of messages, or a list of such lists; see `prompt_items` for what they hold.
            chat_template: another template, or the name of one of the processor's.
            molecules: items of blocks that are only `{"type": "molecule"}`: a list, for several conversations a list
                each.
            proteins: likewise. Items of further modalities are passed likewise, by their columns' names.
            tokenize: return token ids.
            sanitize_control_tokens: whether special tokens in messages are plain text, however they are spelt there
                (see `control_tokens`). None: they are with `tokenize=True`. Without it, True returns prompts in which
                they are marked, for a call with `sanitize_control_tokens=True`.
            processor_kwargs: options for the call that tokenises.
            kwargs: as in transformers: `add_generation_prompt`, `continue_final_message`, `return_dict`,
                `return_tensors`, `return_assistant_tokens_mask`, variables of the template, …

        Raises:
            ValueError: if a message is none, a text holds a placeholder, or items and blocks differ in number.
        """
        if not is_list(conversation) or not conversation:
            raise ValueError(f"Expected a list of messages, or of conversations, but got {conversation!r}.")
        is_batched = is_list(conversation[0])
        conversations = conversation if is_batched else [conversation]
        template = self._resolve_chat_template(chat_template)
        read = [read_conversation(one, at, self.readers.values()) for at, one in enumerate(conversations)]
        arguments = dict(processor_kwargs or {})
        beside = self._take_items(kwargs, molecules=molecules, proteins=proteins)
        among = self._take_items(arguments)
        for name, reader in self.readers.items():
            column = among[name] if beside[name] is None else beside[name]
            if tokenize:
                arguments[reader.column] = items_of_conversations(read, column, reader)
        messages = [one.messages for one in read]
        if tokenize if sanitize_control_tokens is None else sanitize_control_tokens:
            control, own = control_tokens(self.tokenizer, template), self.tokenizer.special_tokens_map
            messages = control.mark(messages)
            kwargs = {name: value if name in own else control.mark(value) for name, value in kwargs.items()}
            arguments["sanitize_control_tokens"] = True
        unknown = [placeholder for placeholder in self.placeholders if placeholder.token not in template]
        if unknown == self.placeholders:
            with_blocks = reads_blocks(template, tuple(self.tokenizer.special_tokens_map.items()))
            messages = [flatten_items(one, unknown, with_blocks) for one in messages]
        elif unknown:
            messages = [items_as_text(one, unknown) for one in messages]
        if tokenize and "segment_break" in template:
            kwargs["segment_break"] = SEGMENT_BREAK
        try:
            return super().apply_chat_template(
                messages if is_batched else messages[0],
                chat_template=template,
                tokenize=tokenize,
                processor_kwargs=arguments,
                **kwargs,
            )
        except TemplateError as error:
            raise InvalidConversationError(f"The chat template refuses the conversation: {error}") from error

    def save_pretrained(self, save_directory: str | os.PathLike, push_to_hub: bool = False, **kwargs: Any) -> list[str]:
        """Write tokenizers, template and settings; see transformers' `ProcessorMixin.save_pretrained`."""
        if hasattr(self.tokenizer, "legacy"):  # Llama's reading of text after a special token, which a save would lose
            self.tokenizer.init_kwargs["legacy"] = self.tokenizer.legacy
        # From a cache, without a network, transformers reads a subfolder's tokenizer only if there is a config too.
        empty = Path(save_directory, "protein_tokenizer", "config.json")
        empty.parent.mkdir(parents=True, exist_ok=True)
        empty.write_text("{}\n", encoding="utf-8")
        files = super().save_pretrained(save_directory, push_to_hub=push_to_hub, **kwargs)
        self.__dict__.pop("auto_map", None)  # written into the file, and left behind on the object
        return files

    @property
    def feature_set(self) -> FeatureSet:
        """Sizes of the molecules' features."""
        return FEATURE_SETS[self.molecule_features]

    def check_model(self, config: Any) -> None:
        """Compare this processor with a model's configuration.

        Args:
            config: a `BioMedGPTConfig`.

        Raises:
            ValueError: listing every mismatch: features, vocabularies, placeholders' ids, lengths.
        """
        if lines := disagreements(self, config):
            raise ValueError(
                "This processor does not belong to this model:\n  " + "\n  ".join(lines) + "\n"
                "Load both from the same checkpoint, or make the processor with the model's settings."
            )
