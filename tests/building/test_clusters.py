"""Clusters of proteins from MMseqs2's and UniProt's tables."""

import gzip
import logging
import random
import shutil
import subprocess

import pytest

from biomedgpt_hf.building import clusters
from biomedgpt_hf.building.cluster_sources import plain_identifier, read_memberships, without_isoform
from biomedgpt_hf.building.clusters import ClusterTable
from biomedgpt_hf.building.splits import split_of_hash
from biomedgpt_hf.files.sources import SourceError

EXPECTED = {"P12345": "UniRef50_P12345", "Q6GZX4": "UniRef50_P12345", "A0A023GPI8": "UniRef50_A0A023GPI8"}


def selected_line(accession, uniref100, uniref90, uniref50):
    cells = [""] * 22
    cells[0], cells[1], cells[7:10], cells[12] = accession, "NAME_X", [uniref100, uniref90, uniref50], "9606"
    return "\t".join(cells) + "\n"


def xml_member(tag, name, *accessions):
    kind = "UniProtKB ID" if accessions else "UniParc ID"
    inner = "".join(f'<property type="UniProtKB accession" value="{one}"/>\n' for one in accessions)
    return (
        f'<{tag}>\n<dbReference type="{kind}" id="{name}">\n{inner}<property type="UniRef90 ID" value="UniRef90_X"/>\n'
        f'<property type="length" value="9"/></dbReference>\n<sequence length="9" checksum="0">MK</sequence></{tag}>\n'
    )


def xml(level, end="</{root}>", root="UniRef50"):
    first = xml_member("representativeMember", "A_RABIT", "P12345", "P00000") + xml_member(
        "member", "B_FRG3G", "Q6GZX4"
    )
    second = xml_member("representativeMember", "C_X", "A0A023GPI8") + xml_member("member", "UPI0000000001")
    return (
        f'<?xml version="1.0" encoding="ISO-8859-1" ?>\n<{root} xmlns="http://uniprot.org/uniref" version="2026_01">\n'
        f'<entry id="{level}_P12345" updated="2026-01-01"><name>Cluster: A &amp; B</name>\n{first}</entry>\n'
        f'<entry id="{level}_A0A023GPI8" updated="2026-01-01">{second}</entry>\n' + end.format(root=root)
    )


TABLES = {
    "uniref table": "Cluster ID\tCluster Name\tCluster members\tSize\n"
    "UniRef50_P12345\tCluster: A\tP12345; Q6GZX4\t2\nUniRef90_P12345\tCluster: A\tP12345\t1\n"
    "UniRef50_A0A023GPI8\tCluster: B\tA0A023GPI8\t1\n",
    "mapped": "From\tCluster ID\tCluster Name\nP12345\tUniRef50_P12345\tA\nQ6GZX4\tUniRef50_P12345\tA\n"
    "A0A023GPI8\tUniRef50_A0A023GPI8\tB\n",
    "mapped in short": "From\tTo\nP12345\tUniRef50_P12345\nQ6GZX4\tUniRef50_P12345\nA0A023GPI8\tUniRef50_A0A023GPI8\n",
    "idmapping.dat": "P12345\tUniProtKB-ID\tAATM_RABIT\nP12345\tGene_Name\tGOT2\nP12345\tUniRef100\tUniRef100_P12345\n"
    "P12345\tUniRef90\tUniRef90_P12345\nP12345\tUniRef50\tUniRef50_P12345\nQ6GZX4-2\tUniParc\tUPI1\n"
    "Q6GZX4\tUniRef50\tUniRef50_P12345\nA0A023GPI8\tUniRef50\tUniRef50_A0A023GPI8\n",
    "idmapping_selected.tab": selected_line("P12345", "UniRef100_P12345", "UniRef90_P12345", "UniRef50_P12345")
    + selected_line("Q6GZX4", "UniRef100_Q6GZX4", "UniRef90_Q6GZX4", "UniRef50_P12345")
    + selected_line("Q00000", "UniRef100_Q00000", "UniRef90_Q00000", "")
    + selected_line("A0A023GPI8", "UniRef100_A0A023GPI8", "UniRef90_A0A023GPI8", "UniRef50_A0A023GPI8"),
}


def write(folder, content, name="table.bin", packed=False):
    path = folder / name
    path.write_bytes(gzip.compress(content.encode(), mtime=0) if packed else content.encode())
    return path


def read(folder, content, *, level="UniRef50", packed=False):
    return ClusterTable.read(write(folder, content, packed=packed), folder / "scratch.sqlite", level)


@pytest.mark.parametrize("packed", [False, True], ids=["plain", "gzip"])
@pytest.mark.parametrize("name", TABLES)
def test_each_of_uniprot_s_tables_tells_the_same(tmp_path, name, packed):
    with read(tmp_path, TABLES[name], packed=packed) as table:
        assert {member: table.get(member) for member in EXPECTED} == EXPECTED
        assert (len(table), table.conflicts) == (3, 0)
        assert table.get("Q00000") is None


@pytest.mark.parametrize("root", ["UniRef50", "UniRef"])
def test_uniref_s_xml_gives_all_accessions_and_uniparc_s_identifiers(tmp_path, root):
    with read(tmp_path, xml("UniRef50", root=root), packed=True) as table:
        assert {member: table.get(member) for member in EXPECTED} == EXPECTED
        assert table.get("P00000") == "UniRef50_P12345"
        assert table.get("UPI0000000001") == "UniRef50_A0A023GPI8"
        assert len(table) == 5


def test_mmseqs2_s_table_names_representatives(tmp_path):
    lines = ["P12345\tP12345", "P12345\tsp|Q6GZX4|X_Y", "tr|A0A023GPI8|Z\tA0A023GPI8", "own name\tan|other", ""]
    with read(tmp_path, "\n".join(lines)) as table:
        assert [table.get(one) for one in ("P12345", "Q6GZX4", "A0A023GPI8")] == ["P12345", "P12345", "A0A023GPI8"]
        assert (table.get("an|other"), table.get("own name"), len(table)) == ("own name", None, 4)


def test_the_level_chooses_among_uniprot_s_clusters(tmp_path):
    content = TABLES["idmapping_selected.tab"]
    assert read(tmp_path, content, level="UniRef90").get("Q6GZX4") == "UniRef90_Q6GZX4"
    assert read(tmp_path, content, level="UniRef100").get("Q00000") == "UniRef100_Q00000"
    assert read(tmp_path, TABLES["idmapping.dat"], level="UniRef90").get("P12345") == "UniRef90_P12345"
    assert len(read(tmp_path, xml("UniRef90"), level="UniRef90")) == 5
    with pytest.raises(ValueError, match="'UniRef30'"):
        read(tmp_path, content, level="UniRef30")


def test_a_table_without_the_level_names_those_that_it_has(tmp_path):
    with pytest.raises(SourceError, match=r"no clusters of UniRef50; it has UniRef90\."):
        read(tmp_path, xml("UniRef90"))
    with pytest.raises(SourceError, match="no clusters of UniRef50"):
        read(tmp_path, "P12345\tUniProtKB-ID\tAATM_RABIT\n")


def test_isoforms_fall_back_to_their_protein_unless_they_have_a_cluster(tmp_path):
    with read(tmp_path, "P12345\tP12345\nQ6GZX4\tP12345-2\nmy-1\tmy-1\nmy\tmy\n") as table:
        assert table.get("P12345-2") == "Q6GZX4"
        assert table.get("P12345-3") == table.get("sp|P12345-9|A_B") == "P12345"
        assert table.get("my-2") is None
    assert without_isoform("A0A023GPI8-12") == "A0A023GPI8"
    assert without_isoform("P12345") is without_isoform("UPI000000-1") is None
    assert plain_identifier("sp|P12345") == "sp|P12345"


def test_the_first_of_two_clusters_counts_and_the_second_is_told(tmp_path, caplog, monkeypatch):
    content = "A\tA\nA\tB\nC\tC\nC\tB\nA\tB\nC\tA\n"
    for chunk in (1, 2, 100):
        caplog.clear()
        monkeypatch.setattr(clusters, "CHUNK", chunk)
        path = write(tmp_path, content, f"table{chunk}")
        with caplog.at_level(logging.WARNING), ClusterTable.read(path, tmp_path / f"{chunk}.sqlite") as table:
            assert [table.get(one) for one in "ABC"] == ["A", "A", "C"]
            assert (len(table), table.conflicts) == (3, 2)
        assert "2 lines" in caplog.text and "B into C" in caplog.text


def test_a_list_of_members_that_was_cut_is_told(tmp_path, caplog):
    content = "Cluster ID\tSize\tCluster members\nUniRef50_A\t3\tP12345; Q6GZX4\nUniRef50_B\t1\tA0A023GPI8\n"
    with caplog.at_level(logging.WARNING):
        assert len(read(tmp_path, content)) == 3
    assert "1 of 2 clusters" in caplog.text and "complete=true" in caplog.text


def test_lines_with_other_columns_are_told_and_cost_no_others(tmp_path, caplog):
    with caplog.at_level(logging.WARNING):
        table = read(tmp_path, "A\tA\nA\tB\tC\n\nbroken\nD\tD\n")
    assert (len(table), table.get("D"), table.get("B")) == (2, "D", None)
    assert "2 lines" in caplog.text and "line 2" in caplog.text


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        ("", "is empty"),
        (">A\nMKV\n", "is not the beginning of a table of clusters"),
        ("CID\tSMILES\tdescription\n1\tC\tx\n", "is not the beginning of a table of clusters"),
        ("CID\tSMILES\n1\tC\n2\tCC\n", "no representative is a member"),
        ("Cluster ID\tCluster Name\nUniRef50_A\tx\n", "Cluster members"),
        ('<?xml version="1.0"?><uniprot xmlns="http://uniprot.org/uniprot"></uniprot>', "root"),
        (xml("UniRef50", end=""), "breaks off"),
        ("<html><p>404", "404|breaks off|root"),
    ],
    ids=["empty", "fasta", "captions", "two columns", "no members", "other xml", "cut xml", "html"],
)
def test_what_is_no_whole_table_of_clusters_is_an_error_in_one_line(tmp_path, content, reason):
    with pytest.raises(SourceError, match=reason) as caught:
        read(tmp_path, content)
    assert str(tmp_path / "table.bin") in str(caught.value) and "\n" not in str(caught.value)


def test_a_truncated_table_is_an_error_and_its_scratch_file_is_no_table(tmp_path):
    whole = gzip.compress("".join(f"A\tA{number}\n" for number in range(100_000)).encode() + b"A\tA\n", mtime=0)
    path = tmp_path / "table.tsv"
    path.write_bytes(whole[:-20])
    for _ in range(2):
        with pytest.raises(SourceError, match="truncated"):
            ClusterTable.read(path, tmp_path / "scratch.sqlite")
    path.write_bytes(whole)
    assert len(ClusterTable.read(path, tmp_path / "scratch.sqlite")) == 100_001
    broken = write(tmp_path, "", "broken.xml.gz")
    broken.write_bytes(gzip.compress(xml("UniRef50").encode() * 9, mtime=0)[:-60])
    with pytest.raises(SourceError, match="truncated|breaks off"):
        ClusterTable.read(broken, tmp_path / "scratch.sqlite")


def test_a_table_is_read_once_and_again_when_it_or_the_level_changed(tmp_path, monkeypatch):
    path, scratch = write(tmp_path, TABLES["idmapping.dat"]), tmp_path / "scratch.sqlite"
    reads = []
    monkeypatch.setattr(
        clusters, "read_memberships", lambda *arguments: reads.append(1) or read_memberships(*arguments)
    )
    for _ in range(2):
        ClusterTable.read(path, scratch).close()
    assert len(reads) == 1
    ClusterTable.read(path, scratch, "UniRef90").close()
    path.write_text(TABLES["idmapping.dat"] + "P99999\tUniRef90\tUniRef90_P12345\n")
    with ClusterTable.read(path, scratch, "UniRef90") as table:
        assert table.get("P99999") == "UniRef90_P12345"
    assert len(reads) == 3
    scratch.write_bytes(b"no database at all, but long enough to be taken for one" * 100)
    assert len(ClusterTable.read(path, scratch)) == 3


def test_an_interrupted_reading_is_begun_anew(tmp_path, monkeypatch):
    path, scratch = write(tmp_path, "A\tA\nA\tB\nC\tC\n"), tmp_path / "scratch.sqlite"

    def interrupted(path, level):
        yield from list(read_memberships(path, level))[:2]
        raise KeyboardInterrupt

    monkeypatch.setattr(clusters, "CHUNK", 1)
    with monkeypatch.context() as patch, pytest.raises(KeyboardInterrupt):
        patch.setattr(clusters, "read_memberships", interrupted)
        ClusterTable.read(path, scratch)
    assert len(ClusterTable.read(path, scratch)) == 3


def test_a_missing_table_and_an_unwritable_scratch_file_are_told(tmp_path):
    with pytest.raises(FileNotFoundError, match="no such file"):
        ClusterTable.read(tmp_path / "absent", tmp_path / "scratch.sqlite")
    path = write(tmp_path, "A\tA\n")
    with pytest.raises(OSError, match=r"scratch.sqlite: unable to open .*the same command goes on"):
        ClusterTable.read(path, tmp_path / "absent" / "scratch.sqlite")


def test_odd_identifiers_are_kept_as_they_are(tmp_path):
    path, scratch = tmp_path / "table", tmp_path / "scratch.sqlite"
    path.write_bytes("α β\tα β\n".encode() + b"\xff\xfe\t\xff\xfe\n'; DROP TABLE member; --\tx\n")
    with ClusterTable.read(path, scratch) as table:
        assert table.get("α β") == "α β"
        assert table.get("x") == "'; DROP TABLE member; --"
        assert table.get("\udcff\udcfe") is not None
        assert table.get("") is None
        assert len(table) == 3


@pytest.mark.skipif(shutil.which("mmseqs") is None, reason="MMseqs2 (Debian's mmseqs2) is not installed")
def test_a_split_by_mmseqs2_s_clusters_cuts_no_family(tmp_path):
    chance = random.Random(0)
    letters = "ACDEFGHIKLMNPQRSTVWY"
    families = {}
    for family in range(12):
        ancestor = chance.choices(letters, k=150)
        for member in range(6):
            mutant = list(ancestor)
            for place in chance.sample(range(150), 20):
                mutant[place] = chance.choice(letters)
            families[f"Q{family % 10}{chr(65 + family)}AA{member}"] = (family, "".join(mutant))
    fasta = "".join(f">sp|{name}|F{family}_TEST\n{protein}\n" for name, (family, protein) in families.items())
    path = write(tmp_path, fasta, "proteins.fasta")
    command = [
        "mmseqs",
        "easy-cluster",
        path,
        tmp_path / "out",
        tmp_path / "mmseqs",
        "--min-seq-id",
        "0.5",
        "-c",
        "0.8",
    ]
    subprocess.run([*map(str, command), "--threads", "1", "-v", "1"], check=True)
    with ClusterTable.read(tmp_path / "out_cluster.tsv", tmp_path / "scratch.sqlite") as table:
        assert len(table) == len(families)
        found = {name: table.get(name) for name in families}
    sides = {}
    for name, (family, _) in families.items():
        sides.setdefault(family, set()).add(split_of_hash(0, found[name]))
    assert len(set(found.values())) == 12
    assert all(len(splits) == 1 for splits in sides.values())
    assert len(set.union(*sides.values())) > 1
    by_protein = [{split_of_hash(0, protein) for f, protein in families.values() if f == family} for family in sides]
    assert any(len(splits) > 1 for splits in by_protein)
