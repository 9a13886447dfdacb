"""What a Trainer saves and uploads: a checkpoint that loads anywhere, with our card and without pickles.

`PublishingMixin` is named before any subclass of transformers' Trainer, also those of TRL:

    class MyTrainer(PublishingMixin, SFTTrainer): ...
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from huggingface_hub import CommitInfo, HfApi
from transformers import PreTrainedModel, ProcessorMixin
from transformers.trainer import TRAINING_ARGS_NAME
from transformers.trainer_utils import HubStrategy, SaveStrategy
from transformers.utils import PushInProgress, logging

from biomedgpt_hf.publishing.card_file import CARD, write_model_card
from biomedgpt_hf.publishing.model_card_sections import adapter_of, hub_ids
from biomedgpt_hf.publishing.origin import find_origin
from biomedgpt_hf.publishing.saved_parts import check_trained_parts_are_saved, without_pefts_card
from biomedgpt_hf.publishing.uploading import (
    PICTURE,
    REPORT,
    copy_files,
    file_times,
    has_weights,
    is_pickle,
    upload,
    upload_later,
)

if TYPE_CHECKING:
    from concurrent.futures import Future

    from peft import PeftModel
    from transformers import Trainer as _Trainer
else:
    _Trainer = object

logger = logging.get_logger(__name__)

EARLIER = "Before this training"
UPLOADS_PICKLES = (HubStrategy.CHECKPOINT, HubStrategy.ALL_CHECKPOINTS)


class PublishingMixin(_Trainer):
    """A Trainer that saves whole checkpoints or adapters, with our card and the processor, and uploads only these.

    The processor is `processing_class`, or the data collator's own if `processing_class` is only a tokenizer: a model
    of molecules and proteins cannot answer without its processor.
    """

    processing_class: Any
    push_in_progress: PushInProgress | None
    _facts_are_marked = False
    _origin_is_noted = False
    _saved_names: tuple[str, ...] = ()

    def init_hf_repo(self, token: str | None = None, private: bool | None = None) -> None:
        """Check first that this run can be published, then do what transformers does. Called before training.

        Raises:
            ValueError: if checkpoints with pickles would be uploaded, or an adapter whose base is not on the Hub.
        """
        self._check_publishable()
        super().init_hf_repo(token=token, private=private)

    def train(self, *args: Any, **kwargs: Any) -> Any:
        """Train as the Trainer does, after `check_trained_parts_are_saved`.

        Facts in `model.config.training` belong to the checkpoint that this training starts from, and are marked so,
        since they no longer hold for the trained model. Set the facts of this training when it is over.
        """
        model = self._bare_model()
        check_trained_parts_are_saved(model)
        facts = getattr(model.config, "training", None)
        if facts and self.state.global_step == 0 and not self._facts_are_marked:
            model.config.training = {EARLIER: facts}
        self._facts_are_marked = True
        title = str(self.hub_model_id or Path(str(self.args.output_dir)).resolve()).rstrip("/").rpartition("/")[2]
        model.config.card = {"title": title, "example": self.card_example()}
        return super().train(*args, **kwargs)

    def card_example(self) -> list[dict[str, Any]] | None:
        """Return the blocks of a question that the card may ask; None leaves it the question of every card."""
        return None

    def create_model_card(
        self,
        language: str | None = None,
        license: str | None = None,
        tags: str | list[str] | None = None,
        model_name: str | None = None,
        finetuned_from: str | None = None,
        tasks: str | list[str] | None = None,
        dataset_tags: str | list[str] | None = None,
        dataset: str | list[str] | None = None,
        dataset_args: str | list[str] | None = None,
        dataset_name: str | None = None,
    ) -> None:
        """Write our card, unless somebody has edited the one that is there. Takes transformers' and TRL's arguments.

        The title of our card is its repository or the run's folder, its question one of the training rows, and its
        facts are those of `model.config.training`. So `model_name`,
        `tasks`, `dataset`, `dataset_args` and `dataset_name` are not used.
        """
        if not self.is_world_process_zero():
            return
        model = self._bare_model()
        self._note_origin(model)
        folder = Path(str(self.args.output_dir))
        folder.mkdir(parents=True, exist_ok=True)
        more = [tags] if isinstance(tags, str) else list(tags or [])
        write_model_card(
            model,
            folder,
            checkpoint=self.hub_model_id or ".",
            tags=[*(getattr(model, "model_tags", None) or []), *more],
            language=language,
            license=license,
            base_model=finetuned_from,
            datasets=dataset_tags,
        )

    def push_to_hub(
        self,
        commit_message: str | None = "End of training",
        blocking: bool = True,
        token: str | None = None,
        revision: str | None = None,
        private: bool | None = None,
        create_pr: bool = False,
        **card_options: Any,
    ) -> Any:
        """Save to `output_dir` and upload what that save wrote, the card and the report, but no pickle or checkpoint.

        Args:
            commit_message, blocking, token, revision, private: as in transformers. A revision that does not exist
                becomes a new branch.
            create_pr: upload as a pull request.
            **card_options: see `create_model_card`. A card that somebody wrote in the repository stays.

        Returns:
            `huggingface_hub.CommitInfo`, or a future of it if not `blocking`; None on all processes but the first.

        Raises:
            ValueError: if this run cannot be published, or no weights were saved (a sharded run saves only shards).
        """
        self.callback_handler.on_push_begin(self.args, self.state, self.control)
        self._check_publishable()
        token = token if token is not None else self.args.hub_token
        if self.hub_model_id is None:
            self.init_hf_repo(token=token, private=private)
        self._saved_names = ()
        self.save_model(_internal_call=True)
        if not self.is_world_process_zero():
            return None
        if not has_weights(self._saved_names):
            raise ValueError(
                f"There is nothing to upload: saving wrote no weights to {self.args.output_dir}. Under FSDP, set "
                "fsdp_config's state_dict_type to FULL_STATE_DICT."
            )
        self.create_model_card(**card_options)
        self._finish_current_push()
        return self._upload(commit_message, token, revision, blocking, create_pr=create_pr)

    def _save(self, output_dir: str | None = None, state_dict: dict | None = None) -> None:
        """Save as transformers does, but with the processor and our card, and without the pickle `training_args.bin`.

        Raises:
            ValueError: if something that was trained would not be saved.
        """
        folder, model = Path(str(output_dir or self.args.output_dir)), self._bare_model()
        check_trained_parts_are_saved(model)
        if self.args.should_save:
            self._note_origin(model)
        before = file_times(folder)
        given, self.processing_class = self.processing_class, self._processor()  # it has the tokenizer, saved once
        try:
            with without_pefts_card(model):
                super()._save(output_dir, state_dict)
        finally:
            self.processing_class = given
        if not self.args.should_save:
            return
        (folder / TRAINING_ARGS_NAME).unlink(missing_ok=True)
        if isinstance(model, PreTrainedModel) or adapter_of(model) is not None:
            write_model_card(model, folder, tags=getattr(model, "model_tags", None))
        others = tuple(
            f"{name}/" for name in list(getattr(model, "peft_config", None) or {})[1:]
        )  # the reference model of DPO
        written = (name for name, time in file_times(folder).items() if before.get(name) != time)
        self._saved_names = tuple(name for name in written if not name.startswith(others))

    def _push_from_checkpoint(self, checkpoint_folder: str) -> None:
        """Upload a checkpoint's model, processor and card, without the files that only resuming needs."""
        if not self.is_world_process_zero() or self.args.hub_strategy == HubStrategy.END:
            return
        in_progress = self.push_in_progress is not None and not self.push_in_progress.is_done()
        if in_progress and not self.args.hub_always_push:
            return
        self._check_publishable()
        self.callback_handler.on_push_begin(self.args, self.state, self.control)
        folder, output_dir = Path(checkpoint_folder), Path(str(self.args.output_dir))
        self._saved_names = tuple(name for name in self._saved_names if (folder / name).is_file())
        if not has_weights(self._saved_names):
            logger.warning_once(
                "Checkpoints of this run are shards and are not uploaded. push_to_hub uploads the model at the end."
            )
            return
        try:
            # The checkpoint may be removed while its upload is under way.
            copy_files([name for name in self._saved_names if name != CARD], folder, output_dir)
            self.create_model_card()
        except OSError as error:  # a failed upload must not end a training
            logger.warning(f"Step {self.state.global_step} is not uploaded: {error}")
            return
        by_steps = self.args.save_strategy == SaveStrategy.STEPS
        when = f"step {self.state.global_step}" if by_steps else f"epoch {int(self.state.epoch or 0)}"
        job = self._upload(f"Training in progress, {when}", self.args.hub_token, None, blocking=False)
        if in_progress and self.push_in_progress is not None:
            self.push_in_progress.jobs.append(job)
        else:
            self.push_in_progress = PushInProgress([job])

    def _upload(
        self, message: str | None, token: str | None, revision: str | None, blocking: bool, **options: Any
    ) -> CommitInfo | Future[CommitInfo]:
        """Upload the files of the last save, the card and the report from `output_dir`, or return a future of it."""
        folder = Path(str(self.args.output_dir))
        wanted = dict.fromkeys((*self._saved_names, CARD, REPORT, PICTURE))
        names = [name for name in wanted if (folder / name).is_file() and not is_pickle(name)]
        revision = revision if revision is not None else self.args.hub_revision
        request = (HfApi(token=token), str(self.hub_model_id), folder, names)
        options = {"commit_message": message, "revision": revision, **options}
        return upload(*request, **options) if blocking else request[0].run_as_future(upload_later, *request, **options)

    def _check_publishable(self) -> None:
        """Raise a ValueError with the reason if this run cannot be published."""
        if self.args.push_to_hub and self.args.hub_strategy in UPLOADS_PICKLES:
            raise ValueError(
                f"hub_strategy={self.args.hub_strategy.value!r} would upload optimizer states, which are pickles that "
                "run code when they are read. Use 'every_save' or 'end', and do not upload checkpoints."
            )
        model = self._bare_model()
        check_trained_parts_are_saved(model)
        adapter = adapter_of(model)
        if adapter is None:
            return
        base = getattr(adapter.settings, "base_model_name_or_path", None) or model.config._name_or_path
        if not hub_ids(base):
            raise ValueError(
                f"An adapter needs its base checkpoint, and the base of this one is {base!r}, which is not on the Hub. "
                "Push the base and load it by its Hub id, or merge_and_unload() the adapter and push the model."
            )

    def _note_origin(self, model: PreTrainedModel | PeftModel) -> None:
        """Write into the configuration, once, what the card inherits from the checkpoint that was trained."""
        if not self._origin_is_noted:
            self._origin_is_noted = True
            if origin := find_origin(model.config):
                model.config.fine_tuned_from = origin

    def _processor(self) -> Any:
        """Return the processor that makes inputs out of rows: `processing_class`, or else the collator's."""
        plain = not hasattr(self._bare_model().config, "molecule_token_id")  # a language model has only a tokenizer
        if plain or isinstance(self.processing_class, ProcessorMixin):
            return self.processing_class
        return getattr(self.data_collator, "processor", None) or self.processing_class

    def _bare_model(self) -> PreTrainedModel | PeftModel:
        """Return the model without the wrappers of compilation and distributed training, but with PEFT's."""
        return self.accelerator.unwrap_model(self.model, keep_torch_compile=False)
