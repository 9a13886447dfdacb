"""An answer while it is written. The model works in a thread, and its words come out one by one."""

from collections.abc import Callable, Generator
from concurrent.futures import ThreadPoolExecutor
from queue import SimpleQueue

import torch
from transformers.generation.streamers import BaseStreamer

from biomedgpt_hf.inference.answering import Generated


def words_of(
    generate: Callable[[BaseStreamer], Generated], decode: Callable[[list[int]], str]
) -> Generator[str, None, Generated]:
    """Run a generation and yield its text as whole words. Joined, they are the text.

    An error of the generation is raised here. If this generator is closed early, the generation ends at its next token.

    Args:
        generate: generates one answer, with the given `streamer`.
        decode: returns the text of token ids.

    Returns:
        What `generate` returns.
    """
    streamer = _TokenQueue()
    with ThreadPoolExecutor(max_workers=1, thread_name_prefix="biomedgpt-answer") as thread:
        answer = thread.submit(generate, streamer)
        answer.add_done_callback(lambda _: streamer.queue.put(None))
        tokens: list[int] = []
        said = ""
        try:
            while (new := streamer.queue.get()) is not None:
                tokens += new
                parts = decode(tokens).strip().rsplit(None, 1)  # the last word may be incomplete
                if len(parts) == 2 and len(parts[0]) > len(said):
                    yield parts[0][len(said) :]
                    said = parts[0]
        finally:
            streamer.is_read = False
    rest = answer.result().text[len(said) :]
    if rest:
        yield rest
    return answer.result()


class _TokenQueue(BaseStreamer):
    """Takes tokens from `generate` in one thread and gives them to another, until that one stops reading."""

    def __init__(self) -> None:
        self.queue: SimpleQueue[list[int] | None] = SimpleQueue()
        self.is_read = True
        self._prompt_seen = False

    def put(self, value: torch.Tensor) -> None:
        if not self.is_read:
            raise _NobodyReadsError
        if self._prompt_seen:
            self.queue.put(value.flatten().tolist())
        self._prompt_seen = True

    def end(self) -> None: ...


class _NobodyReadsError(Exception):
    """Ends a generation from inside it."""
