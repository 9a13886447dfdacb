"""`biomedgpt data`: raw public files, and tables of one's own, become training sets."""

import inspect
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from biomedgpt_hf.commands import hub, options
from biomedgpt_hf.console import command, group, many

if TYPE_CHECKING:
    from biomedgpt_hf.building.pipeline import BuildSettings
    from biomedgpt_hf.publishing.destination import Destination

commands = group("Data.")
data = group("Turn public files, or a table of your own, into rows to train on.")
commands.add_typer(data, name="data")

Build = Callable[..., dict[str, Any]]  # (sources, output, settings, its own options) → manifest

# Options that all sets have, and further options of sets with public sources.
Sources = Annotated[list[Path], typer.Argument(metavar="SOURCE", help="Files, plain or .gz.")]
Output = Annotated[Path, typer.Option(metavar="DIR", help="Folder to write.")]
Exclude = Annotated[list[Path] | None, many("FILE", "Leave out the molecules and proteins found there")]
RefuseExcluded = Annotated[
    bool, typer.Option("--refuse-excluded", help="End with an error if a source has what --exclude names.")
]
Seed = Annotated[int, typer.Option(metavar="N", help="Another seed gives another split.")]
MaxRejected = Annotated[
    str | None, typer.Option(metavar="N|P%", help="Fail if more records than this are faulty; no limit if none.")
]
Duplicates = Annotated[
    str, typer.Option(metavar="keep|drop", help="Rows that repeat another one: same question, structure and answer.")
]
Contradictions = Annotated[
    str, typer.Option(metavar="keep|drop", help="Rows whose question about one structure has several answers.")
]
OptionalSources = Annotated[
    list[Path] | None, typer.Argument(metavar="SOURCE", help="Files, plain or .gz; none with --download.")
]
Download = Annotated[bool, typer.Option("--download", help="Fetch the public sources first, or the rest of them.")]
DownloadFolder = Annotated[
    Path | None, typer.Option(metavar="DIR", help="Where downloads are kept; OUTPUT-sources if none.")
]
# Options of sets with proteins.
Clusters = Annotated[
    Path | None,
    typer.Option(metavar="FILE", help="MMseqs2's cluster table, UniRef's or UniProt's mapping; by 5-mers if none."),
]
ClusterLevel = Annotated[
    str, typer.Option(metavar="LEVEL", help="UniRef100, UniRef90 or UniRef50, for UniProt's mapping.")
]
MaxPerCluster = Annotated[
    int | None, typer.Option(metavar="N", min=1, help="Keep so many proteins of a cluster; all if none.")
]
# Options of sets with molecules.
FeatureSet = Annotated[
    str,
    typer.Option("--features", metavar="graphmvp|ogb", help="Leave out molecules that these cannot show to a model."),
]
# Options of sets of captions.
OntologyCaptions = Annotated[
    str,
    typer.Option(
        metavar="A,B,…",
        help="What is asked of an ontology's term: composed, definition, classes, broad-classes, roles, origins, "
        "iupac-names; or all.",
    ),
]
FewestHeavyAtoms = Annotated[
    int, typer.Option(metavar="N", min=0, help="Leave out smaller molecules of an ontology, such as ions; 0 keeps all.")
]
Generic = Annotated[
    bool, typer.Option("--generic", help="Keep structures with R groups, which stand for many molecules.")
]


def builder(name: str, *examples: str, downloads: bool = False) -> Callable[[Build], Build]:
    """Register a function as `biomedgpt data NAME`, with its own options and those that all sets have."""

    def register(build: Build) -> Build:
        own = [_parameter(p.name, p.annotation, p.default) for p in inspect.signature(build).parameters.values()][3:]

        def run(
            output: Path,
            sources: list[Path] | None = None,
            exclude: list[Path] | None = None,
            refuse_excluded: bool = False,
            seed: int = 0,
            max_rejected: str | None = None,
            duplicates: str = "keep",
            contradictions: str = "keep",
            processes: int | None = None,
            download: bool = False,
            download_folder: Path | None = None,
            **chosen: Any,
        ) -> None:
            from biomedgpt_hf.building.pipeline import BuildSettings
            from biomedgpt_hf.disk.workers import available_cores

            destination = hub.find_destination(**{name: chosen.pop(name) for name in hub.OPTIONS})
            if destination is not None and "license" in chosen:
                check_license_of_table(chosen["license"], destination)
            settings = BuildSettings(
                seed=seed,
                exclude=tuple(exclude or ()),
                refuse_excluded=refuse_excluded,
                max_rejected=max_rejected,
                duplicates=duplicates,
                contradictions=contradictions,
                processes=processes or available_cores(),
                reuse=destination is not None,
            )
            if downloads:
                sources = find(name, sources, download, download_folder, output)
            is_there = destination is not None and (output / "manifest.json").exists()
            manifest = build(sources, output, settings, **chosen)
            if is_there:
                typer.echo(f"{output} holds this set already.")
            else:
                show_counts(manifest, output)
            if destination is not None:
                hub.upload_result(output, destination)

        # Typer reads the options from the signature.
        parameters = [_parameter("sources", OptionalSources, None) if downloads else _parameter("sources", Sources)]
        parameters += [_parameter("output", Output), *own]
        parameters += [_parameter("exclude", Exclude, None)]
        parameters += [_parameter("refuse_excluded", RefuseExcluded, False), _parameter("seed", Seed, 0)]
        parameters += [_parameter("max_rejected", MaxRejected, None)]
        parameters += [_parameter("duplicates", Duplicates, "keep")]
        parameters += [_parameter("contradictions", Contradictions, "keep")]
        parameters += [_parameter("processes", options.Processes, None)]
        if downloads:
            parameters += [_parameter("download", Download, False)]
            parameters += [_parameter("download_folder", DownloadFolder, None)]
        parameters += [_parameter(name, annotation, default) for name, (annotation, default) in hub.OPTIONS.items()]
        run.__signature__ = inspect.Signature(parameters)  # type: ignore[attr-defined]
        run.__annotations__ = {parameter.name: parameter.annotation for parameter in parameters}
        run.__doc__ = build.__doc__
        command(data, name, *examples)(run)
        return build

    return register


def _parameter(name: str, annotation: object, default: object = inspect.Parameter.empty) -> inspect.Parameter:
    return inspect.Parameter(name, inspect.Parameter.KEYWORD_ONLY, annotation=annotation, default=default)


@builder(
    "table",
    'data table toxicity.csv --molecule-column smiles --question "Is it toxic?" --answer-column toxic --output rows',
    "data table rows.jsonl --protein-column sequence --question-column q --answer-column a --output rows",
)
def table(
    sources: list[Path],
    output: Path,
    settings: "BuildSettings",
    answer_column: Annotated[str, typer.Option(metavar="C", help="Column of the answers.")],
    molecule_column: options.MoleculeColumn = None,
    protein_column: options.ProteinColumn = None,
    question: Annotated[str | None, typer.Option(metavar="TEXT", help="One question for all rows.")] = None,
    question_column: Annotated[str | None, typer.Option(metavar="C", help="Column of the questions.")] = None,
    optional_items: Annotated[bool, typer.Option("--optional-items", help="Item cells may be empty.")] = False,
    format: options.TableFormat = None,
    features: FeatureSet = "graphmvp",
    id_column: Annotated[str | None, typer.Option(metavar="C", help="File and row number if none.")] = None,
    split_column: Annotated[str | None, typer.Option(metavar="C", help="Holds train, validation or test.")] = None,
    date_column: Annotated[
        str | None, typer.Option(metavar="C", help="When each entry was made: day, month or year, or empty.")
    ] = None,
    split_by: Annotated[
        str | None, typer.Option(metavar="molecule|protein|row|cluster", help="What a split keeps together.")
    ] = None,
    clusters: Clusters = None,
    cluster_level: ClusterLevel = "UniRef50",
    max_per_cluster: MaxPerCluster = None,
    task: Annotated[str, typer.Option(metavar="NAME", help="What the questions are about.")] = "question",
    source: Annotated[str | None, typer.Option(metavar="NAME", help="Where the answers come from.")] = None,
    license: Annotated[str, typer.Option(metavar="ID", help="The table's licence, as SPDX names it.")] = "unknown",
) -> dict[str, Any]:
    """Build rows from CSV, TSV, JSON Lines or Parquet files of your own."""
    from biomedgpt_hf.sets.table import builder as table

    return table.build_table(
        sources,
        output,
        answer_column=answer_column,
        molecule_columns=molecule_column or [],
        protein_columns=protein_column or [],
        question=question,
        question_column=question_column,
        optional_items=optional_items,
        format=format,
        features=features,
        id_column=id_column,
        split_column=split_column,
        date_column=date_column,
        split_by=split_by,
        task=task,
        source=source,
        license=license,
        settings=clustered(settings, split_by, clusters, cluster_level, max_per_cluster),
    )


@builder(
    "pubchemqa",
    "data pubchemqa annotations/*.json CID-SMILES.gz --output pubchemqa",
    "data pubchemqa --download --exclude chebi20/test.txt --output pubchemqa",
    downloads=True,
)
def pubchemqa(
    sources: list[Path], output: Path, settings: "BuildSettings", features: FeatureSet = "graphmvp"
) -> dict[str, Any]:
    """Build rows from PubChem's descriptions (PUG-View pages or records) and structures."""
    from biomedgpt_hf.sets.pubchemqa import builder as pubchemqa

    return pubchemqa.build_pubchemqa(sources, output, features=features, settings=settings)


@builder(
    "uniprotqa",
    "data uniprotqa uniprot_sprot.dat.gz --output uniprotqa",
    "data uniprotqa --download --split-by cluster --clusters idmapping_selected.tab.gz --output uniprotqa",
    "data uniprotqa proteins.faa yeast.tsv --split-by cluster --max-per-cluster 20 --output proteins",
    downloads=True,
)
def uniprotqa(
    sources: list[Path],
    output: Path,
    settings: "BuildSettings",
    reviewed_only: Annotated[bool, typer.Option("--reviewed-only", help="Keep Swiss-Prot entries only.")] = False,
    split_by: Annotated[str, typer.Option(metavar="protein|cluster", help="What a split keeps together.")] = "protein",
    clusters: Clusters = None,
    cluster_level: ClusterLevel = "UniRef50",
    max_per_cluster: MaxPerCluster = None,
    questions: Annotated[str | None, typer.Option(metavar="A,B,…", help="Which questions; all if none.")] = None,
) -> dict[str, Any]:
    """Build rows from UniProtKB entries (flat file, XML, TSV, JSON), FASTA headers and tables of yeast."""
    from biomedgpt_hf.sets.uniprotqa import builder as uniprotqa

    if split_by not in ("protein", "cluster"):
        raise ValueError(f"--split-by is {split_by!r}, but a protein set is split by protein or by cluster.")
    settings = clustered(settings, split_by, clusters, cluster_level, max_per_cluster)
    kinds = [kind.strip() for kind in questions.split(",")] if questions else uniprotqa.KINDS
    return uniprotqa.build_uniprotqa(sources, output, reviewed_only=reviewed_only, kinds=kinds, settings=settings)


@builder(
    "chebi20",
    "data chebi20 train.txt validation.txt test.txt --output chebi20",
    "data chebi20 train.txt chebi.obo.gz --exclude validation.txt --exclude test.txt --output captions",
    downloads=True,
)
def chebi20(
    sources: list[Path],
    output: Path,
    settings: "BuildSettings",
    ontology_captions: OntologyCaptions = "composed",
    fewest_heavy_atoms: FewestHeavyAtoms = 3,
    generic: Generic = False,
    features: FeatureSet = "graphmvp",
) -> dict[str, Any]:
    """Build rows from ChEBI-20 files, and ChEBI's ontology beside them."""
    from biomedgpt_hf.sets.chebi20 import builder as chebi20

    return chebi20.build_chebi20(
        sources,
        output,
        ontology_captions=ontology_captions,
        fewest_heavy_atoms=fewest_heavy_atoms,
        generic=generic,
        features=features,
        settings=settings,
    )


@builder(
    "chebi",
    "data chebi chebi.obo.gz --ontology-captions composed,classes,roles --exclude chebi20/test.txt --output chebi",
    "data chebi --download --exclude chebi20/test.txt --output chebi",
    downloads=True,
)
def chebi(
    sources: list[Path],
    output: Path,
    settings: "BuildSettings",
    ontology_captions: OntologyCaptions = "composed",
    fewest_heavy_atoms: FewestHeavyAtoms = 3,
    generic: Generic = False,
    features: FeatureSet = "graphmvp",
) -> dict[str, Any]:
    """Build captions, and questions about classes and roles, from ChEBI's ontology or modules of it."""
    return chebi20(sources, output, settings, ontology_captions, fewest_heavy_atoms, generic, features)


@builder(
    "biomedical-qa",
    "data biomedical-qa ori_pqaa.json ori_pqal.json train.json dev.json --output biomedical-qa",
    "data biomedical-qa ori_pqal.json test_ground_truth.json --roles official --output pubmedqa",
    downloads=True,
)
def biomedical_qa(
    sources: list[Path],
    output: Path,
    settings: "BuildSettings",
    roles: Annotated[
        str, typer.Option(metavar="paper|official", help="Whose choice of what trains and what tests.")
    ] = "paper",
    long_answers: Annotated[
        bool, typer.Option("--long-answers", help="In training rows of PubMedQA, the conclusion too.")
    ] = False,
) -> dict[str, Any]:
    """Build rows from PubMedQA, MedMCQA, MedQA (USMLE), medical MMLU and MedConceptsQA."""
    from biomedgpt_hf.sets.biomedical_qa import builder as biomedical_qa

    return biomedical_qa.build_biomedical_qa(sources, output, roles=roles, long_answers=long_answers, settings=settings)


@builder(
    "molecule-facts",
    "data molecule-facts molecules.smi --output facts",
    "data molecule-facts library.sdf.gz --facts formula,charge --output facts",
)
def molecule_facts(
    sources: list[Path],
    output: Path,
    settings: "BuildSettings",
    facts: Annotated[str | None, typer.Option(metavar="A,B,…", help="Which facts; all if none.")] = None,
    questions_per_molecule: Annotated[
        int | None, typer.Option(metavar="N", min=1, help="So many of the facts, chosen by chance.")
    ] = None,
    molecule_column: options.MoleculeColumn = None,
    id_column: options.IdColumn = None,
    format: options.Format = None,
    features: FeatureSet = "graphmvp",
) -> dict[str, Any]:
    """Build rows that RDKit answers exactly, from any list of molecules."""
    from biomedgpt_hf.files.items import Columns
    from biomedgpt_hf.sets.molecule_facts import builder as molecule_facts

    return molecule_facts.build_molecule_facts(
        sources,
        output,
        facts=[fact.strip() for fact in facts.split(",")] if facts else molecule_facts.FACT_NAMES,
        questions_per_molecule=questions_per_molecule,
        columns=Columns(molecule_column or (), id=id_column, format=format),
        features=features,
        settings=settings,
    )


def check_license_of_table(license: str, destination: "Destination") -> None:
    """Check, before a table is read, that its rows may be published where they are to go.

    Raises:
        ValueError: they may not.
    """
    from biomedgpt_hf.rows.licenses import REMEDY, may_be_published

    if not destination.private and not may_be_published(license, destination.permitted):
        raise ValueError(
            f"--license is {license!r}, which does not let everybody have the rows. {REMEDY.format(license=license)}"
        )


def clustered(
    settings: "BuildSettings", split_by: str | None, clusters: Path | None, level: str, max_per_cluster: int | None
) -> "BuildSettings":
    """Return the `BuildSettings` with the clusters that a split should keep together."""
    for option, given in (("--clusters FILE", clusters), ("--max-per-cluster N", max_per_cluster)):
        if given is not None and split_by != "cluster":
            raise ValueError(f"{option} goes with --split-by cluster. Give both, or leave it out.")
    return settings._replace(
        clusters=clusters,
        cluster_level=level,
        by_similarity=split_by == "cluster" and clusters is None,
        max_per_cluster=max_per_cluster,
    )


def find(name: str, sources: list[Path] | None, download: bool, folder: Path | None, output: Path) -> list[Path]:
    """Return the files to build from: the named ones, or the public ones after they are fetched."""
    if bool(sources) == download:
        raise ValueError(f"Name the SOURCE files of {name}, or give --download to fetch the public ones.")
    if sources:
        return sources
    from biomedgpt_hf.sets.catalogue import fetch_sources

    folder = folder or output.with_name(f"{output.name}-sources")
    typer.echo(f"Downloads are kept in {folder}.", err=True)
    return fetch_sources(name, folder)


def show_counts(manifest: dict[str, Any], output: Path) -> None:
    """Print what a builder made."""
    from biomedgpt_hf.building.repetitions import tell_repetitions

    counts = manifest["counts"]
    splits = ", ".join(f"{split} {rows:,}" for split, rows in counts["rows_by_split"].items())
    typer.echo(f"Wrote {counts['rows']:,} rows to {output} ({splits}).")
    if counts["rejected"]:
        reasons = ", ".join(f"{number:,} {reason}" for reason, number in counts["rejected"].items())
        typer.echo(f"Left out {counts['records_rejected']:,} of {counts['records_read']:,} records: {reasons}.")
        typer.echo(f"Each is listed, with its reason, in {output / 'rejected.jsonl'}.")
    for note, number in counts["notes"].items():
        typer.echo(f"Kept, but {note}: {number:,}.")
    if "repetitions" in counts:
        for sentence in tell_repetitions(counts["repetitions"], manifest["options"]):
            typer.echo(sentence)
