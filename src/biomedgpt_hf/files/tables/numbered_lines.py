"""Lines of a table's text with their numbers, which can be looked at before they are taken."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator, Sequence

from biomedgpt_hf.files.sources import SourceError


class NumberedLines:
    """Numbered lines, which can be put back."""

    def __init__(self, lines: Iterator[tuple[int, str]]) -> None:
        self._lines, self._waiting = lines, deque[tuple[int, str]]()
        self._error: SourceError | None = None

    def take(self) -> tuple[int, str] | None:
        """Return the next line, or None at the end; or raise, where the file cannot be read on."""
        if self._waiting:
            return self._waiting.popleft()
        if self._error:
            raise self._error
        return next(self._lines, None)

    def look_ahead(self) -> Iterator[tuple[int, str]]:
        """Yield lines; they end where the file can be read no further, which `take` will tell."""
        while True:
            try:
                line = self.take()
            except SourceError as error:
                self._error, line = error, None
            if line is None:
                return
            yield line

    def put_back(self, lines: Sequence[tuple[int, str]]) -> None:
        """Let lines that were taken be the next ones, in their order."""
        self._waiting.extendleft(reversed(lines))


def skip_blank(lines: NumberedLines) -> tuple[int, str] | None:
    """Take the next line that holds anything."""
    while (line := lines.take()) is not None and not line[1].strip(" \x1a"):
        pass
    return line
