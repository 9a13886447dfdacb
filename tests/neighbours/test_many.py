"""Many items, searched by several processes: the same neighbours as one process finds."""

import pytest

from biomedgpt_hf.neighbours import NeighbourIndex, build_index, many
from biomedgpt_hf.neighbours.many import nearest_of_many

from ..built_set import row, write_set


@pytest.fixture(scope="module")
def index(tmp_path_factory):
    path = tmp_path_factory.mktemp("many")
    rows = [row(f"r{n}", molecules=["C" * n + "O"], proteins=["M" + "KVACDEFGHI"[n % 7 :] * 2]) for n in range(1, 21)]
    build_index([write_set(path / "set", {"train": rows})], path / "index")
    return path / "index"


@pytest.mark.parametrize("processes", [1, 2])
def test_several_processes_find_the_same(index, processes, monkeypatch):
    monkeypatch.setattr(many, "CHUNK", 2)
    opened = NeighbourIndex.open(index)
    molecules, proteins = ["C" * n for n in range(1, 31)], ["MKVACDEF" * n for n in range(1, 5)]
    found = nearest_of_many(index, "molecule", molecules, 3, exclude_same=True, processes=processes)
    assert list(found) == opened.molecules(molecules, 3, exclude_same=True)
    assert list(nearest_of_many(index, "protein", proteins, 2, processes=processes)) == opened.proteins(proteins, 2)


def test_a_missing_index_is_told_before_anything_is_searched(tmp_path):
    with pytest.raises(FileNotFoundError, match="no such folder"):
        list(nearest_of_many(tmp_path / "absent", "molecule", [], 1))
