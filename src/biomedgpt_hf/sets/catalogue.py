"""Which public files each set is built from: where they are, how they are checked, under which terms.

    biomedgpt data SET --download --download-folder DIR --output OUTPUT

Addresses and formats are from the hosts' documentation and from public programs that use them. The
checksums of UniProt and PubChem are read from their own files at each download; those written here
are of editions that never change, and were read off the files themselves or off at least two
independent public programs that pin them.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from biomedgpt_hf.download.hub_files import HubFile
from biomedgpt_hf.download.patient_client import Patience
from biomedgpt_hf.download.pubchem_pages import AnnotationPages
from biomedgpt_hf.download.transfer import RemoteFile, RemoteSource, download
from biomedgpt_hf.sets.biomedical_qa.builder import MEDICAL_SUBJECTS

# UniProt also serves its files, under the same paths, from https://ftp.ebi.ac.uk/pub/databases/uniprot
# and https://ftp.expasy.org/databases/uniprot: `fetch_sources(…, mirrors={UNIPROT: …})`.
UNIPROT = "https://ftp.uniprot.org/pub/databases/uniprot"
CHEBI = "https://ftp.ebi.ac.uk/pub/databases/chebi"
PUBCHEM_FTP = "https://ftp.ncbi.nlm.nih.gov/pubchem"
PUBCHEM = "https://pubchem.ncbi.nlm.nih.gov"
GITHUB = "https://raw.githubusercontent.com"
MOLT5_COMMIT = "754f9bffa4a638e2f1386d0ca19b5c3ed0a5b4aa"
PUBMEDQA_COMMIT = "1cbae8e92f72f20c8d3747cbb3bf5bc53554d997"
PUBCHEM_TERMS = "https://www.ncbi.nlm.nih.gov/home/about/policies/"
# The originals that only a browser can fetch.
PQA_A_BY_HAND = "https://drive.google.com/open?id=15v1x6aQDlZymaHGP7cZJZZYFfeJt2NdS (ori_pqaa.json)"
MEDMCQA_BY_HAND = "https://drive.google.com/uc?export=download&id=15VkJdq5eyWIkfb_aoD3oS8i4tScbHYky (train, dev)"
MEDQA_BY_HAND = "https://drive.google.com/file/d/1ImYUSLk9JbgHXOemfvyiDiirluZHPeQw/view (questions/US/4_options)"
MMLU_BY_HAND = "https://people.eecs.berkeley.edu/~hendrycks/data.tar (data/test/SUBJECT_test.csv)"


def _molt5(split: str, checksum: str) -> RemoteFile:
    return RemoteFile(
        f"{split}.txt",
        f"{GITHUB}/blender-nlp/MolT5/{MOLT5_COMMIT}/ChEBI-20_data/{split}.txt",
        checksum=checksum,
        license="CC-BY-4.0",
        release=MOLT5_COMMIT,
        by_hand="https://github.com/blender-nlp/MolT5/tree/main/ChEBI-20_data",
    )


def _pubmedqa(name: str, sha256: str) -> RemoteFile:
    return RemoteFile(
        name,
        f"{GITHUB}/pubmedqa/pubmedqa/{PUBMEDQA_COMMIT}/data/{name}",
        checksum=f"sha256:{sha256}",
        license="MIT",
        release=PUBMEDQA_COMMIT,
        by_hand="https://github.com/pubmedqa/pubmedqa",
    )


def _medmcqa(split: str, sha256: str) -> HubFile:
    return HubFile(
        "openlifescienceai/medmcqa",
        f"data/{split}-00000-of-00001.parquet",
        revision="91c6572c454088bf71b679ad90aa8dffcd0d5868",
        checksum=f"sha256:{sha256}",
        license="MIT",  # by the licence file of its GitHub repository; the Hub's card says Apache-2.0
        by_hand=MEDMCQA_BY_HAND,
    )


def _medqa(split: str, sha256: str) -> HubFile:
    return HubFile(
        "GBaker/MedQA-USMLE-4-options",
        f"phrases_no_exclude_{split}.jsonl",
        revision="0fb93dd23a7339b6dcd27e241cb9b5eca62d4d18",
        checksum=f"sha256:{sha256}",
        license="MIT",  # by the licence file of its GitHub repository; the Hub's card says CC BY 4.0
        by_hand=MEDQA_BY_HAND,
    )


def _mmlu(subject: str, split: str) -> HubFile:
    return HubFile(
        "cais/mmlu",
        f"{subject}/{split}-00000-of-00001.parquet",
        revision="c30699e8356da336a370243923dbaf21066bb9fe",
        license="MIT",
        by_hand=MMLU_BY_HAND,
    )


CATALOGUE: dict[str, tuple[RemoteSource, ...]] = {
    # Some 650 MB, a new edition every eight weeks; RELEASE.metalink has its MD5, its size and its name.
    "uniprotqa": (
        RemoteFile(
            "uniprot_sprot.dat.gz",
            f"{UNIPROT}/current_release/knowledgebase/complete/uniprot_sprot.dat.gz",
            checksum_url=f"{UNIPROT}/current_release/knowledgebase/complete/RELEASE.metalink",
            license="CC-BY-4.0",
            by_hand="https://www.uniprot.org/downloads",
        ),
    ),
    # SHA-256 of train.txt is not known here: its git id is, from the tree of this very commit.
    "chebi20": (
        _molt5("train", "git:c1b42b82fdc8fb5287614e159196e25370763aac"),
        _molt5("validation", "sha256:f410b58e6825986577d01b4f0c14b59ed61c1343a15118ba584de4bbcea1508c"),
        _molt5("test", "sha256:91776254b54ef13ad701ede0ecdbd7bcd30c19a66e52aa34a6dac8d0e7306d72"),
    ),
    # The whole ontology, a new release each month. No checksum file is known; gzip's own CRC is
    # checked when it is read. chebi_core has no cross-references, chebi_lite no synonyms either.
    "chebi": (
        RemoteFile(
            "chebi.obo.gz",
            f"{CHEBI}/ontology/chebi.obo.gz",
            license="CC-BY-4.0",
            by_hand="https://www.ebi.ac.uk/chebi/downloads",
        ),
    ),
    # Some 1.4 GB of structures, renewed often, and some hundreds of pages of descriptions.
    "pubchemqa": (
        RemoteFile(
            "CID-SMILES.gz",
            f"{PUBCHEM_FTP}/Compound/Extras/CID-SMILES.gz",
            checksum_url=f"{PUBCHEM_FTP}/Compound/Extras/CID-SMILES.gz.md5",
            license=PUBCHEM_TERMS,
            by_hand="https://pubchem.ncbi.nlm.nih.gov/docs/downloads",
        ),
        AnnotationPages(
            "record-description",
            f"{PUBCHEM}/rest/pug_view/annotations/heading/JSON",
            heading="Record Description",
            license=PUBCHEM_TERMS,
        ),
    ),
    # MedMCQA's test questions have no answers; MedQA's development split is in the original only.
    "biomedical-qa": (
        HubFile(
            "qiaojin/PubMedQA",
            "pqa_artificial/train-00000-of-00001.parquet",
            revision="9001f2853fb87cab8d220904e0de81ac6973b318",
            license="MIT",
            by_hand=PQA_A_BY_HAND,
        ),
        _pubmedqa("ori_pqal.json", "8b3276be8942ebbd77f3ddcda12c1749bf0e490045a736fd8438ee40cf37a41d"),
        _pubmedqa("test_ground_truth.json", "939fe566f09017d13b1ca64d2ddfee0bc2374b366048152997669cccedc44d51"),
        _medmcqa("train", "b119434ba551517a6ec0ba1f7e0b4c029165ed284a4704f262ce37c791c493c5"),
        _medmcqa("validation", "b768a1ea34afc9f80d3106d9b21f80fa8a00ec450a1f6cd641af72ca9e591021"),
        _medqa("train", "3a65baf760f17c395058d6699315a7ce8aa767c50cb193fea87ceb94dd790324"),
        _medqa("test", "c3b905ccfa66152dc25afbcb2c10e86c0bdb208824f0658fcdb2c040f60a2beb"),
        *(_mmlu(subject, split) for subject in MEDICAL_SUBJECTS for split in ("test", "validation", "dev")),
    ),
}


def fetch_sources(
    set_name: str,
    folder: Path,
    progress: bool = True,
    *,
    mirrors: Mapping[str, str] | None = None,
    patience: Patience | None = None,
) -> list[Path]:
    """Download the public sources of a set; see `download.transfer.download`.

    Args:
        set_name: one of `CATALOGUE`.
        folder: where to keep them; what is there and right is not fetched again.
        progress: show progress bars (only on a terminal).
        mirrors: other addresses by the beginnings that they replace, such as {UNIPROT: "https://…"};
            for the Hub that is "https://huggingface.co" (or the environment variable HF_ENDPOINT).
        patience: how long to try.

    Returns:
        The paths of the sources, for the set's builder.

    Raises:
        ValueError: there is nothing to download for this set.
        DownloadError: a file cannot be had; the others are kept.
        OSError: the folder cannot be written, or its disk is full.
    """
    if set_name not in CATALOGUE:
        raise ValueError(
            f"{set_name} has no public source to download: name its files. Sets with one: {', '.join(CATALOGUE)}."
        )
    files = [file.moved(mirrors or {}) for file in CATALOGUE[set_name]]
    return download(files, folder, progress=progress, patience=patience)
