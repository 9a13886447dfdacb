"""Putting byte-split parts of one `torch.save` file into order, by what is in them rather than by their names.

`torch.save` writes a zip archive: each record opens with a local header that holds its name, and the archive ends with
a directory of all names and their places. So a part's place follows from any record that begins inside it, the
directory says how long the whole must be, and each record's CRC-32 tells whether its bytes are right.
"""

import filecmp
import itertools
import re
import struct
import zipfile
from collections.abc import Sequence
from pathlib import Path

from biomedgpt_hf.conversion.errors import ConversionError
from biomedgpt_hf.conversion.files import BLOCK, SpannedFile, absent_names, natural_key, neighbour_name

LOCAL_HEADER = b"PK\x03\x04"
END_RECORD, END_LENGTH = b"PK\x05\x06", 22
END_RECORD_64, END_LENGTH_64 = b"PK\x06\x06", 76  # with its locator; precedes the end record
HEADER_LENGTH = 30


def order_parts(paths: Sequence[Path]) -> SpannedFile:
    """Concatenates byte-split parts, given in any order and under any names.

    Raises:
        ConversionError: if a part is missing, truncated, given twice or foreign; the message names it.
    """
    for order in (sorted(paths, key=natural_key), list(paths)):
        file = SpannedFile(order)
        if is_whole_archive(file):
            return file
        file.close()
    file = SpannedFile(_place_by_headers(paths))
    if not is_whole_archive(file):
        damaged = [path.name for offset in _misplaced(file) for path in file.paths(offset, offset + HEADER_LENGTH)]
        raise ConversionError(f"{damaged[0]} is damaged: it lacks a record that it must hold. Download it again.")
    return file


def is_whole_archive(file: SpannedFile) -> bool:
    """Whether a zip archive begins at the first byte, ends at the last, and has its records where it says."""
    try:
        starts, ends = file.read_at(0, 4) == LOCAL_HEADER, _whole_length(file) == file.size
        return starts and ends and not _misplaced(file)
    except (zipfile.BadZipFile, OSError, ValueError, struct.error):
        return False


def archive_records(file: SpannedFile) -> list[tuple[int, int, int]]:
    """Begin, end and CRC-32 of each record's bytes, in order.

    Raises:
        ConversionError: if the archive is compressed (`torch.save` never does that).
    """
    places = []
    with zipfile.ZipFile(file) as archive:
        for record in sorted(archive.infolist(), key=lambda record: record.header_offset):
            if record.compress_type != zipfile.ZIP_STORED:
                raise ConversionError(
                    f"{file.parts[0]}: the record {record.filename!r} is compressed, so another program than "
                    "torch.save made this archive. If a checkpoint was zipped, unzip it first."
                )
            name_length, extra_length = struct.unpack("<HH", file.read_at(record.header_offset + 26, 4))
            begin = record.header_offset + HEADER_LENGTH + name_length + extra_length
            places.append((begin, begin + record.file_size, record.CRC))
    return places


def _misplaced(file: SpannedFile) -> list[int]:
    """Offsets at which the archive's directory promises a record that is not there."""
    with zipfile.ZipFile(file) as archive:
        records = {record.filename: record.header_offset for record in archive.infolist()}
    return [offset for name, offset in records.items() if _record_name(file.read_at(offset, 2048)) != name]


def _record_name(header: bytes) -> str | None:
    if len(header) < HEADER_LENGTH or not header.startswith(LOCAL_HEADER):
        return None
    length = struct.unpack_from("<H", header, 26)[0]
    return header[HEADER_LENGTH : HEADER_LENGTH + length].decode("utf-8", "replace")


def _place_by_headers(paths: Sequence[Path]) -> list[Path]:
    """Return the parts in the order in which their records say that they belong."""
    tail, size, records = _find_tail(paths)
    position = size - SpannedFile(tail).size
    placed = {}
    for path in tail:
        placed[position] = path
        position += path.stat().st_size
    unplaced = []
    for path in sorted(set(paths) - set(tail), key=natural_key):
        start = _start_of(path, records)
        if start is None:
            unplaced.append(path)
        elif start in placed:
            raise ConversionError(f"{path.name} and {placed[start].name} hold the same part: give one of them.")
        else:
            placed[start] = path
    return _fill_gaps(placed, unplaced, size)


def _find_tail(paths: Sequence[Path]) -> tuple[list[Path], int, dict[str, int]]:
    """Return the part or two that hold the archive's directory, the whole's length, and where each record begins."""
    for tail in itertools.chain(itertools.permutations(paths, 1), itertools.permutations(paths, 2)):
        with SpannedFile(tail) as file:
            size = _whole_length(file)
        if size is None:
            continue
        try:
            with SpannedFile([size - file.size, *tail]) as whole, zipfile.ZipFile(whole) as archive:
                return list(tail), size, {record.filename: record.header_offset for record in archive.infolist()}
        except (zipfile.BadZipFile, struct.error):
            continue
    final = max(paths, key=natural_key)
    guess = neighbour_name(final, 1)
    raise ConversionError(
        f"{', '.join(path.name for path in paths)}: the end of the archive is missing: {final.name} is truncated or "
        f"damaged, or a part after it is missing{f' ({guess}?)' if guess else ''}."
    )


def _whole_length(file: SpannedFile) -> int | None:
    """Length that the whole archive must have, if this is an end of it that holds all of its directory."""
    end = file.read_at(max(0, file.size - END_LENGTH - 65535 - END_LENGTH_64), file.size)
    at = end.rfind(END_RECORD)
    if at < 0 or len(end) - at < END_LENGTH:
        return None
    size, start, comment_length = struct.unpack_from("<IIH", end, at + 12)
    if at + END_LENGTH + comment_length != len(end):
        return None
    rest = END_LENGTH + comment_length
    if end[max(0, at - END_LENGTH_64) : at].startswith(END_RECORD_64):
        size, start = struct.unpack_from("<QQ", end, at - END_LENGTH_64 + 40)
        rest += END_LENGTH_64
    return start + size + rest if size + rest <= file.size else None


def _start_of(path: Path, records: dict[str, int]) -> int | None:
    """Place of a part in the whole, from the first record that begins inside it."""
    with path.open("rb") as file:
        position = 0
        while block := file.read(BLOCK):
            for match in re.finditer(LOCAL_HEADER, block):
                here = position + match.start()
                file.seek(here)
                name = _record_name(file.read(2048))
                if name in records and records[name] >= here:
                    return records[name] - here
            position += len(block) - (3 if len(block) == BLOCK else 0)  # a signature may cross two blocks
            file.seek(position)
    return None


def _fill_gaps(placed: dict[int, Path], unplaced: list[Path], size: int) -> list[Path]:
    """All parts in order; those in which no record begins go, by name, where they fit."""
    paths = [*unplaced, *placed.values()]
    _check_surplus(paths, unplaced, size)
    order: list[Path] = []
    position = 0
    while position < size:
        if position in placed:
            order.append(placed.pop(position))
        else:
            room = min((start for start in placed if start > position), default=size) - position
            fitting = next((path for path in unplaced if position and path.stat().st_size <= room), None)
            if fitting is None:
                raise ConversionError(_gap_message(order, placed.get(position + room), room, paths))
            unplaced.remove(fitting)
            order.append(fitting)
        position += order[-1].stat().st_size
    if unplaced or placed:
        names = ", ".join(path.name for path in [*unplaced, *placed.values()])
        raise ConversionError(f"{names} does not belong to the same file as {order[0].name}: leave it out.")
    return order


def _check_surplus(paths: list[Path], unplaced: list[Path], size: int) -> None:
    """Names a part given twice, or one without which the others make up the whole."""
    surplus = sum(path.stat().st_size for path in paths) - size
    for first, second in itertools.combinations(paths, 2):
        if surplus > 0 and filecmp.cmp(first, second, shallow=False):
            raise ConversionError(f"{first.name} and {second.name} hold the same bytes: give one of them.")
    strangers = [path.name for path in unplaced if path.stat().st_size == surplus]
    if strangers:
        which = strangers[0] if len(strangers) == 1 else f"One of {', '.join(strangers)}"
        raise ConversionError(f"{which} does not belong to the same file as the other parts: leave it out.")


def _gap_message(order: list[Path], after: Path | None, room: int, paths: list[Path]) -> str:
    """Return what is missing: by the files' numbering if that has a gap, else by where the bytes are missing."""
    if absent := absent_names(paths):
        return f"{room:,} bytes are missing: give {', '.join(absent)} too."
    if not order:
        first = min(paths, key=natural_key)
        guess = neighbour_name(first, -1) or "the first part"
        return f"The first {room:,} bytes are missing: give {guess} too, or {first.name} is damaged."
    following = neighbour_name(order[-1], 1)
    part = f"a part ({following}?)" if following and after and following != after.name else "a part"
    sizes = {path: path.stat().st_size for path in order}
    shortest = min(order, key=lambda path: sizes[path])
    suspect = shortest if max(sizes.values()) - sizes[shortest] >= 0.9 * room else order[-1]
    between = f"between {order[-1].name} and {after.name}" if after else f"after {order[-1].name}"
    return f"{room:,} bytes are missing {between}: {part} is missing, or {suspect.name} is truncated."
