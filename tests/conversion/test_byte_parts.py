"""One torch.save file, cut into byte pieces: any order, any names, none missing, none damaged."""

import random
from pathlib import Path

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from biomedgpt_hf.conversion import ConversionError
from biomedgpt_hf.conversion.checkpoint import open_checkpoint

STATE = {
    f"layer.{i}.weight": torch.arange(size, dtype=torch.float32).reshape(-1, 5) + i
    for i, size in enumerate([5, 4000, 35, 20000, 10, 1500])
}


@pytest.fixture(scope="module")
def content(tmp_path_factory):
    path = tmp_path_factory.mktemp("whole") / "whole.pth"
    torch.save(STATE, path)
    return path.read_bytes()


def split(content, folder, cuts, names):
    """Writes the pieces between the cuts under the names, in this order."""
    places = [0, *sorted(cuts), len(content)]
    paths = [folder / name for name in names]
    for path, start, end in zip(paths, places[:-1], places[1:], strict=True):
        path.write_bytes(content[start:end])
    return paths


def even(content, count):
    return [len(content) * number // count for number in range(1, count)]


def read(paths):
    with open_checkpoint(paths) as checkpoint:
        return {key: stored.tensor() for key, stored in checkpoint.tensors.items()}


def assert_whole(paths):
    tensors = read(paths)
    assert tensors.keys() == STATE.keys()
    assert all(torch.equal(tensors[key], STATE[key]) for key in STATE)


@pytest.mark.parametrize(
    "names", [["x.part_aa", "x.part_ab", "x.part_ac"], ["x.00", "x.01", "x.02"], ["p9", "p10", "p11"]]
)
@pytest.mark.parametrize("order", [[0, 1, 2], [2, 0, 1], [1, 2, 0], [2, 1, 0]])
def test_parts_are_joined_in_any_order(content, tmp_path, names, order):
    paths = split(content, tmp_path, even(content, 3), names)
    assert_whole([paths[i] for i in order])


@settings(max_examples=60, deadline=None)
@given(data=st.data())
def test_names_may_mislead_and_cuts_may_lie_anywhere(content, tmp_path_factory, data):
    """Every part must hold the beginning of a record; the last one may be as short as one byte."""
    folder = tmp_path_factory.mktemp("parts")
    starts = [i for i in range(1, len(content)) if content.startswith(b"PK\x03\x04", i)]
    cuts = {
        start - data.draw(st.integers(0, 50)) for start in data.draw(st.sets(st.sampled_from(starts[1:-1]), min_size=1))
    }
    cuts |= data.draw(st.sets(st.integers(len(content) - 400, len(content) - 1), max_size=1))
    names = data.draw(st.permutations([f"piece-{number}" for number in range(len(cuts) + 1)]))
    paths = split(content, folder, cuts, names)
    assert_whole(data.draw(st.permutations(paths)))


def test_parts_inside_one_tensor_are_ordered_by_name(content, tmp_path):
    start = content.index(STATE["layer.3.weight"].numpy().tobytes())
    cuts = [start + 100, start + 20_000, start + 50_000]
    paths = split(content, tmp_path, cuts, ["part1", "part2", "part3", "part4"])
    random.Random(0).shuffle(paths)
    assert_whole(paths)


def test_an_old_format_file_in_parts_is_ordered_by_name(tmp_path):
    torch.save(STATE, tmp_path / "old.pth", _use_new_zipfile_serialization=False)
    content = (tmp_path / "old.pth").read_bytes()
    paths = split(content, tmp_path, even(content, 3), ["part1", "part2", "part3"])
    assert_whole(paths[::-1])


def test_whole_files_and_parts_of_another_may_be_given_together(content, tmp_path):
    paths = split(content, tmp_path, even(content, 2), ["part1", "part2"])
    torch.save({"another": torch.ones(3)}, tmp_path / "another.pth")
    assert read([paths[1], tmp_path / "another.pth", paths[0]]).keys() == {"another", *STATE}


def test_a_checkpoint_saved_without_checksums_is_read(tmp_path):
    torch.serialization.set_crc32_options(False)
    try:
        torch.save(STATE, tmp_path / "file.pth")
    finally:
        torch.serialization.set_crc32_options(True)
    assert_whole([tmp_path / "file.pth"])


def refusal(paths):
    with pytest.raises(ConversionError) as error:
        open_checkpoint(paths)
    assert "\n" not in str(error.value)
    return str(error.value)


NAMES = ["x.part_aa", "x.part_ab", "x.part_ac", "x.part_ad"]


@pytest.mark.parametrize("absent", range(4))
def test_a_missing_part_is_named(content, tmp_path, absent):
    paths = split(content, tmp_path, even(content, 4), NAMES)
    message = refusal([path for i, path in enumerate(paths) if i != absent][::-1])
    assert NAMES[absent] in message and "missing" in message


@pytest.mark.parametrize("cut", range(4))
def test_a_truncated_part_is_named(content, tmp_path, cut):
    paths = split(content, tmp_path, even(content, 4), NAMES)
    paths[cut].write_bytes(paths[cut].read_bytes()[:-3000])
    message = refusal(paths)
    assert NAMES[cut] in message and "truncated" in message


@pytest.mark.parametrize("damaged", range(4))
@pytest.mark.parametrize("place", [0.3, 0.5, 0.7])
def test_a_damaged_part_is_named(content, tmp_path, damaged, place):
    paths = split(content, tmp_path, even(content, 4), NAMES)
    bytes_ = bytearray(paths[damaged].read_bytes())
    middle = int(len(bytes_) * place)
    bytes_[middle : middle + 200] = bytes(200)
    paths[damaged].write_bytes(bytes_)
    assert NAMES[damaged] in refusal(paths)


def test_a_damaged_record_name_is_found_too(content, tmp_path):
    third = content.index(b"PK\x03\x04", content.index(b"PK\x03\x04", 4) + 4)
    paths = split(content, tmp_path, [third - 10, third + 30_000], NAMES[:3])
    bytes_ = bytearray(paths[1].read_bytes())
    bytes_[10] = 0
    paths[1].write_bytes(bytes_)
    assert refusal(paths) == "x.part_ab is damaged: it lacks a record that it must hold. Download it again."


def test_a_part_given_under_two_names_is_named(content, tmp_path):
    paths = split(content, tmp_path, even(content, 3), NAMES[:3])
    copy = tmp_path / "copy"
    copy.write_bytes(paths[1].read_bytes())
    message = refusal([*paths, copy])
    assert "copy" in message and "x.part_ab" in message


def test_a_part_of_another_file_is_named(content, tmp_path):
    paths = split(content, tmp_path, even(content, 3), NAMES[:3])
    stranger = tmp_path / "stranger"
    stranger.write_bytes(random.Random(1).randbytes(1000))
    message = refusal([*paths, stranger])
    assert message == "stranger does not belong to the same file as the other parts: leave it out."


def test_numbered_files_that_are_not_given_are_named(tmp_path):
    for number in (1, 3):
        torch.save({f"key{number}": torch.ones(1)}, tmp_path / f"model-0000{number}-of-00003.bin")
    with open_checkpoint(sorted(Path(tmp_path).iterdir())) as checkpoint:
        assert checkpoint.absent_parts == ["model-00002-of-00003.bin"]
