"""Reading a checkpoint's bytes: one file, or several parts seen as one file."""

from __future__ import annotations

import bisect
import io
import os
import re
from collections.abc import Iterator, Sequence
from itertools import accumulate
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from typing_extensions import Buffer

BLOCK = 4 << 20  # bytes read at once while hashing
EXTENSIONS = {"pt", "pth", "bin"}  # endings that a part's name may have after its number


class SpannedFile(io.RawIOBase):
    """Several files read as their concatenation, without joining them on disk.

    Args:
        parts: each a path, or a number of bytes that are unknown and read as zeros.
    """

    def __init__(self, parts: Sequence[Path | int]):
        super().__init__()
        self.parts = list(parts)
        sizes = [part if isinstance(part, int) else part.stat().st_size for part in self.parts]
        self.starts = [0, *accumulate(sizes)]
        self.size = self.starts[-1]
        self._position = 0
        self._handles: dict[int, io.FileIO] = {}

    def part_at(self, offset: int) -> int:
        """Index of the part that holds the byte at this offset."""
        return bisect.bisect_right(self.starts, offset, hi=len(self.parts)) - 1

    def paths(self, start: int, end: int) -> list[Path]:
        """Return the files that hold the bytes [start, end)."""
        first, last = self.part_at(start), self.part_at(max(start, end - 1))
        return [part for part in self.parts[first : last + 1] if isinstance(part, Path)]

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return True

    def tell(self) -> int:
        return self._position

    def seek(self, offset: int, whence: int = os.SEEK_SET) -> int:
        self._position = offset + {os.SEEK_SET: 0, os.SEEK_CUR: self._position, os.SEEK_END: self.size}[whence]
        return self._position

    def readinto(self, buffer: Buffer) -> int:
        """Fill the buffer across part boundaries; less only at the end."""
        view = memoryview(buffer).cast("B")
        done = 0
        while done < len(view) and self._position < self.size:
            index = self.part_at(self._position)
            length = min(len(view) - done, self.starts[index + 1] - self._position)
            target = view[done : done + length]
            part = self.parts[index]
            if isinstance(part, int):
                target[:] = bytes(length)
                got = length
            else:
                if index not in self._handles:
                    self._handles[index] = io.FileIO(part)
                self._handles[index].seek(self._position - self.starts[index])
                got = self._handles[index].readinto(target) or 0
            if not got:
                raise OSError(f"{part} became shorter while it was read.")
            done += got
            self._position += got
        return done

    def read_at(self, offset: int, length: int) -> bytes:
        """`length` bytes from `offset`, fewer at the end of the file."""
        self.seek(offset)
        return self.read(length) or b""

    def blocks(self) -> Iterator[tuple[Path, int, bytes]]:
        """All bytes in order, as (file, offset in the whole, bytes); no block crosses a part boundary."""
        for index, part in enumerate(self.parts):
            if isinstance(part, int):
                continue
            for offset in range(self.starts[index], self.starts[index + 1], BLOCK):
                yield part, offset, self.read_at(offset, min(BLOCK, self.starts[index + 1] - offset))

    def close(self) -> None:
        for handle in self._handles.values():
            handle.close()
        super().close()


def natural_key(path: Path) -> list[tuple[int, int, str]]:
    """Sort key under which `part2` comes before `part10`, and `xaa` before `xab`."""
    return [(0, int(word), "") if word.isdigit() else (1, 0, word) for word in re.findall(r"\d+|\D+", path.name)]


def neighbour_name(path: Path, step: int) -> str | None:
    """Name of the part before (step -1) or after (step 1) this one, if names count: `x.003`, `part_ab`, `2-of-4`."""
    match = re.search(r"\d+(?=[-_]?of[-_]?\d)", path.name) or re.search(r"(?<![a-z])[a-z]{2,3}$", path.name)
    if match is None or match.group() in EXTENSIONS:
        match = re.search(r"\d+(?!.*\d)", path.name)  # the last number
    if match is None:
        return None
    word = match.group()
    digits = "0123456789" if word.isdigit() else "abcdefghijklmnopqrstuvwxyz"
    value = 0
    for letter in word:
        value = value * len(digits) + digits.index(letter)
    value += step
    if not 0 <= value < len(digits) ** len(word):
        return None
    new = ""
    for _ in word:
        value, digit = divmod(value, len(digits))
        new = digits[digit] + new
    return path.name[: match.start()] + new + path.name[match.end() :]


def absent_names(paths: Sequence[Path]) -> list[str]:
    """Names that the given files' own numbering leaves out: `2-of-3`, or `part_ab` between `part_aa` and `part_ac`."""
    names = {path.name for path in paths}
    absent: dict[str, None] = {}
    for path in sorted(paths, key=natural_key):
        match = re.search(r"(\d+)[-_]?of[-_]?(\d+)", path.name)
        if match is None:
            follows = neighbour_name(path, 1)
            if follows and follows not in names and neighbour_name(Path(follows), 1) in names:
                absent[follows] = None
            continue
        first = 0 if any(re.search(r"(?<!\d)0+[-_]?of[-_]?\d", name) for name in names) else 1
        for number in range(first, first + int(match.group(2))):
            name = f"{path.name[: match.start()]}{number:0{len(match.group(1))}d}{path.name[match.end(1) :]}"
            if name not in names:
                absent[name] = None
    return list(absent)
