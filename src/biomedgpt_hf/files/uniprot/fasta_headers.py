"""What the headers of FASTA files tell of their proteins, in the styles of those who write them.

    UniProtKB   sp|P12345|NAME_ORG Recommended name OS=Organism OX=9606 GN=gene PE=1 SV=2
    NCBI        WP_000000001.1 product [Organism]; also gi|1|ref|NP_000001.1| product [Organism]
    Prokka      ACCESSION EC~~~gene~~~product~~~COG, its data bases
    SGD         YAL001C TFC3 SGDID:S000000001, Chr I from 1-2, Verified ORF, "Description"
    DeepLoc     ACCESSION Location-M or -S or -U, with "test" behind it where the protein is kept for evaluation

https://www.uniprot.org/help/fasta-headers, https://github.com/tseemann/prokka, and for DeepLoc Almagro Armenteros et
al., 2017 (doi:10.1093/bioinformatics/btx431). Sequences are read by `files.items.fasta`.
"""

from __future__ import annotations

import re
from collections.abc import Callable

from biomedgpt_hf.files.items.fasta import Titled
from biomedgpt_hf.files.records import RejectedRecord, UnwantedRecord
from biomedgpt_hf.files.sources import require_utf8
from biomedgpt_hf.files.uniprot import wording
from biomedgpt_hf.files.uniprot.entry import ProteinEntry
from biomedgpt_hf.files.uniprot.flat_file import read_flat_names

STYLES_IN_WORDS = (
    "UniProtKB's (sp|P12345|NAME_ORG …), NCBI's (WP_000000001.1 product [Organism]), Prokka's "
    "(P12345 EC~~~gene~~~product), SGD's (YAL001C TFC3 SGDID:…), DeepLoc's (P12345 Nucleus-S)"
)
SGD = "SGD"
NCBI, NCBI_LICENSE = "NCBI", "NCBI-PD"  # SPDX's name of https://www.ncbi.nlm.nih.gov/home/about/policies
UNKNOWN = "unknown"
UNIPROT_ACCESSION = rf"{wording.ACCESSION}(?:-\d+)?"
# https://www.ncbi.nlm.nih.gov/genbank/acc_prefix: GenBank, RefSeq, chains of the Protein Data Bank.
NCBI_ACCESSION = r"(?:[A-Z]{3}\d{5,7}\.\d+|[A-Z]{2}_\d{6,}\.\d+|\d[A-Z\d]{3}_\w+)"
UNIPROT_HEADER = re.compile(r"(sp|tr)\|([^|\s]+)\|\S*\s*(.*)")
UNIPROT_FACTS = re.compile(r"(?:^|\s)(?:OS|OX|GN|PE|SV)=")
NCBI_HEADER = re.compile(
    rf"(?:gi\|\d+\|)?(?:(?:ref|gb|emb|dbj|tpg|tpe|tpd)\|)?({NCBI_ACCESSION}|{UNIPROT_ACCESSION}\.\d+)\|?\S*\s+(.*)"
)
ORGANISM = re.compile(r"\s*\[(?:[^\[\]]|\[[^\[\]]*\])*\]$")
NCBI_REMARKS = re.compile(
    r"^(?:(?:MULTISPECIES|LOW QUALITY PROTEIN|PREDICTED|UNVERIFIED(?:_ORG|_CONTAM)?): |Chain \w+, )+|, partial$"
)
SGD_HEADER = re.compile(r"(\S+) \S+ SGDID:S\d+, (.*)")
SGD_KIND = re.compile(r'(?:^|, )([\w ]+)(?:, "(.*)")?$')
DEEPLOC_HEADER = re.compile(r"(\S+)\s+([A-Za-z./]+(?:-[A-Za-z./]+)*)-([MSU])(?:\s+(test|new_test_set))?$")
# DeepLoc's classes in the words of UniProtKB's entries, out of which they were made.
PLACES = {
    "Cell.membrane": "Cell membrane",
    "Cytoplasm": "Cytoplasm",
    "Endoplasmic.reticulum": "Endoplasmic reticulum",
    "Extracellular": "Secreted",
    "Golgi.apparatus": "Golgi apparatus",
    "Lysosome/Vacuole": "Lysosome or vacuole",
    "Mitochondrion": "Mitochondrion",
    "Nucleus": "Nucleus",
    "Peroxisome": "Peroxisome",
    "Plastid": "Plastid",
}


def parse_fasta_entry(record: Titled) -> ProteinEntry:
    """Return the entry of a FASTA record.

    Raises:
        RejectedRecord: the header is of no known style, is not UTF-8, or has a part that cannot be read.
        UnwantedRecord: it is that of an open reading frame of which nothing is known.
    """
    title = require_utf8(record.title).split("\x01")[0].strip()  # NCBI's nr has the headers of equal sequences so
    for read in STYLES:
        if entry := read(title):
            return entry._replace(sequence=record.sequence)
    raise RejectedRecord("header of no known style", f"{title[:80]!r}; the styles are {STYLES_IN_WORDS}")


def verified_only(qualifier: str) -> None:
    """Raise UnwantedRecord for an open reading frame of yeast that is not called verified."""
    if not re.match(r"verified\b", qualifier, re.IGNORECASE):
        kind = qualifier.removesuffix(" ORF") or "unverified"
        raise UnwantedRecord(f"{kind} ORF", "the Saccharomyces Genome Database knows nothing of it")


def read_uniprot_header(title: str) -> ProteinEntry | None:
    """Return what a header of UniProtKB tells, or None if it is of another style."""
    found = UNIPROT_HEADER.match(title)
    if not found:
        return None
    base, accession, text = found.groups()
    if text.startswith(("RecName:", "SubName:")):  # as NCBI writes the entries of Swiss-Prot
        return _with_all_names(accession.partition(".")[0], ORGANISM.sub("", text))
    name, numbers = _informative(UNIPROT_FACTS.split(text)[0])
    return ProteinEntry(accession, reviewed=base == "sp", name=name, all_enzyme_numbers=numbers, style="FASTA")


def read_ncbi_header(title: str) -> ProteinEntry | None:
    """Return what a header of NCBI tells, or None if it is of another style."""
    found = NCBI_HEADER.match(title)
    if not found:
        return None
    accession, text = found[1], ORGANISM.sub("", found[2].strip())
    if text.startswith(("RecName:", "SubName:")):
        return _with_all_names(accession.partition(".")[0], text)
    name, numbers = _informative(NCBI_REMARKS.sub("", text))
    return ProteinEntry(accession, name=name, all_enzyme_numbers=numbers, style=NCBI, source=NCBI, license=NCBI_LICENSE)


def read_prokka_header(title: str) -> ProteinEntry | None:
    """Return what a header of Prokka's data bases tells, or None if it is of another style.

    They are made from Swiss-Prot and NCBI's data, which the accession tells apart.
    """
    accession, _, text = title.partition(" ")
    parts = text.split("~~~")
    if len(parts) not in (3, 4):
        return None
    name, _ = _informative(parts[2])
    source, license = "Prokka", UNKNOWN
    if re.fullmatch(UNIPROT_ACCESSION, accession):
        source, license = "UniProtKB", ProteinEntry().license
    elif re.fullmatch(rf"{NCBI_ACCESSION}(?::.*)?", accession):  # behind the colon, a mutation
        source, license = NCBI, NCBI_LICENSE
    numbers = wording.listed_numbers(parts[0])
    return ProteinEntry(
        accession, name=name, all_enzyme_numbers=numbers, style="Prokka", source=source, license=license
    )


def read_sgd_header(title: str) -> ProteinEntry | None:
    """Return what a header of the Saccharomyces Genome Database tells, or None if it is of another style.

    Raises:
        UnwantedRecord: the open reading frame is not verified.
    """
    found = SGD_HEADER.match(title)
    if not found:
        return None
    kind = SGD_KIND.search(found[2])
    verified_only(kind[1] if kind else "")
    return ProteinEntry(found[1], description=(kind and kind[2]) or "", style=SGD, source=SGD)


def read_deeploc_header(title: str) -> ProteinEntry | None:
    """Return what a header of DeepLoc tells, or None if it is of another style.

    Raises:
        RejectedRecord: the location is none of DeepLoc's.
    """
    found = DEEPLOC_HEADER.match(title)
    if not found:
        return None
    accession, places, bound, mark = found.groups()
    if unknown := [place for place in places.split("-") if place not in PLACES]:
        raise RejectedRecord("unknown location", f"{unknown[0]!r} is none of DeepLoc's: {', '.join(PLACES)}")
    return ProteinEntry(
        accession,
        places=tuple(PLACES[place] for place in places.split("-")),
        in_membrane={"M": True, "S": False}.get(bound),
        style="DeepLoc",
        source="DeepLoc",
        split="test" if mark else None,
    )


STYLES: tuple[Callable[[str], ProteinEntry | None], ...] = (
    read_prokka_header,
    read_uniprot_header,
    read_sgd_header,
    read_deeploc_header,
    read_ncbi_header,
)


def _with_all_names(accession: str, description: str) -> ProteinEntry:
    names, numbers = read_flat_names(description)
    every = tuple(wording.numbers_in_names(description))
    return ProteinEntry(
        accession, reviewed=True, names=names, enzyme_numbers=numbers, all_enzyme_numbers=every, style="FASTA"
    )


def _informative(text: str) -> tuple[str, tuple[str, ...]]:
    """Return a name and its EC numbers; no name if it says that nothing is known."""
    name, numbers = wording.name_and_numbers(" ".join(text.split()))
    return "" if wording.SAYS_NOTHING.fullmatch(name) else name, numbers
