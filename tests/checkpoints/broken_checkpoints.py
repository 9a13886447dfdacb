"""Copies of the embedded checkpoint with one fault each, and what becomes of loading them.

    python broken_checkpoints.py FOLDER [SHARE [FILE]]

Prints one JSON line for each fault that ends otherwise than by a model or by one line that names the file, and a last
one with the number of faults and the most memory, in kilobytes, before and after them.
"""

import copy
import json
import logging
import random
import resource
import shutil
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from biomedgpt_hf import BioMedGPTForConditionalGeneration, BioMedGPTProcessor, mini_checkpoint
from biomedgpt_hf.inference import loading

VALUES = [None, True, -1, 0, 3, 10**9, 1.5, float("nan"), float("inf"), "x", "", [], [1], ["x"], {}, {"x": 1}, 10**30]
SETTINGS = (
    "config.json",
    "generation_config.json",
    "processor_config.json",
    "tokenizer_config.json",
    "protein_tokenizer/tokenizer_config.json",
)
TOKENIZERS = ("tokenizer.json", "protein_tokenizer/tokenizer.json")


def load_anew(folder: Path) -> object:
    """Load a folder whose files have changed since the last time."""
    loading._open.cache_clear()
    return loading._load.__wrapped__(str(folder), "cpu", "auto", None)


LOADERS = {
    "load": load_anew,
    "model": BioMedGPTForConditionalGeneration.from_pretrained,
    "processor": BioMedGPTProcessor.from_pretrained,
}


def places(content: Any, path: tuple = (), longest: int = 12) -> Iterator[tuple]:
    """Where the values of some JSON stand; of long lists and objects, those of the first entries."""
    entries = content.items() if isinstance(content, dict) else enumerate(content) if isinstance(content, list) else ()
    for number, (key, value) in enumerate(entries):
        if number == longest and len(content) > 100:
            return
        yield (*path, key)
        yield from places(value, (*path, key), longest)


def replaced(content: Any, path: tuple, value: Any) -> Any:
    """The same JSON with another value at one place."""
    content = copy.deepcopy(content)
    at = content
    for key in path[:-1]:
        at = at[key]
    at[path[-1]] = value
    return content


def faults(source: Path) -> Iterator[tuple[str, str, bytes]]:
    """Name, file, and the file's broken content."""
    dice = random.Random(0)
    for name in (*SETTINGS, *TOKENIZERS):
        text = (source / name).read_bytes()
        content = json.loads(text)
        for path in places(content):
            where = ".".join(map(str, path))
            for value in VALUES:
                yield f"{where} = {value!r}", name, json.dumps(replaced(content, path, value)).encode()
            at = content
            for key in path[:-1]:
                at = at[key]
            if isinstance(at, dict):
                less = copy.deepcopy(content)
                hold = less
                for key in path[:-1]:
                    hold = hold[key]
                del hold[path[-1]]
                yield f"without {where}", name, json.dumps(less).encode()
    for file in sorted(source.rglob("*")):
        name = file.relative_to(source).as_posix()
        if file.suffix not in (".json", ".safetensors", ".jinja") or name == "protein_tokenizer/config.json":
            continue
        content = file.read_bytes()
        yield "empty", name, b""
        for share in (0.1, 0.5, 0.99):
            yield f"cut to {share}", name, content[: int(len(content) * share)]
        yield "random bytes", name, dice.randbytes(min(len(content), 100_000))
        yield "zeros", name, bytes(min(len(content), 100_000))
        yield "a list", name, b"[1, 2]"
        yield "a number", name, b"7"
        yield "nested", name, b"[" * 100_000
        yield "nested objects", name, b'{"a":' * 100_000


def outcome(folder: Path, file: str, loader: Any) -> str | None:
    """None for a model or a good refusal, else what is wrong with it."""
    try:
        loader(folder)
    except (ValueError, OSError) as error:
        text = str(error)
        if "\n" in text.strip() and "This processor does not belong" not in text:
            return f"{type(error).__name__} in several lines: {text[:300]}"
        if str(folder) not in text and "does not belong" not in text:
            return f"{type(error).__name__} that names no file: {text[:300]}"
        if "weights_only" in text or "trust_remote_code=True" in text:
            return f"advice to switch safety off: {text[:300]}"
    except BaseException as error:
        if isinstance(error, KeyboardInterrupt):
            raise
        return f"{type(error).__name__}: {str(error)[:300]}"
    return None


def say(line: dict[str, Any]) -> None:
    sys.stdout.write(json.dumps(line) + "\n")
    sys.stdout.flush()


def main(folder: Path, share: float = 1.0, only: str = "") -> None:
    logging.disable(logging.ERROR)
    source = mini_checkpoint()
    shutil.copytree(source, folder, ignore=shutil.ignore_patterns("__pycache__", "*.py", "*.md"))
    for loader in LOADERS.values():
        loader(folder)
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    dice, tried = random.Random(1), 0
    for what, name, content in faults(folder):
        if dice.random() >= share or not name.endswith(only):
            continue
        tried += 1
        file = folder / name
        whole = file.read_bytes()
        file.write_bytes(content)
        about_the_model = name in ("config.json", "generation_config.json", "model.safetensors")
        for loader in ("load", "model" if about_the_model else "processor"):
            peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
            wrong = outcome(folder, name, LOADERS[loader])
            grown = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - peak
            if grown > 50_000:
                wrong = f"{wrong}; took {grown} kB more"
            if wrong:
                say({"file": name, "fault": what, "loader": loader, "wrong": wrong})
        file.write_bytes(whole)
    after = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    say({"tried": tried, "before": before, "after": after})


if __name__ == "__main__":
    main(Path(sys.argv[1]), *map(float, sys.argv[2:3]), *sys.argv[3:])
