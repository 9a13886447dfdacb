"""Arguments and options that several commands share."""

from pathlib import Path
from typing import Annotated

import typer

from biomedgpt_hf.console import many

Inputs = Annotated[
    list[Path],
    typer.Argument(
        metavar="INPUT",
        help="SMILES, SDF, MOL, FASTA, PDB, mmCIF, CSV, TSV, JSON Lines or Parquet, known by content; - reads stdin.",
    ),
]
MoleculeColumn = Annotated[list[str] | None, many("C", "Column of SMILES or InChI")]
ProteinColumn = Annotated[list[str] | None, many("C", "Column of sequences")]
Format = Annotated[
    str | None,
    typer.Option(
        metavar="FORMAT",
        help="What the files are, if that is not recognised: csv, tsv, jsonl, parquet, smiles, sdf, mol, mol2, fasta, "
        "pdb or mmcif.",
    ),
]
TableFormat = Annotated[
    str | None, typer.Option(metavar="FORMAT", help="csv, tsv, jsonl or parquet, if that is not recognised.")
]
IdColumn = Annotated[str | None, typer.Option(metavar="C", help="Column of the rows' names.")]

Checkpoint = Annotated[
    str | None, typer.Option(metavar="C", help="Folder or Hub id; without it, the embedded demonstration.")
]
Revision = Annotated[str | None, typer.Option(metavar="R", help="Branch, tag or commit on the Hub.")]
Dtype = Annotated[str, typer.Option(metavar="auto|float32|bfloat16|float16", help="Precision of the model.")]
Device = Annotated[str | None, typer.Option(metavar="D", help="cuda, mps or cpu; the first there is if none.")]
LongProteins = Annotated[
    str, typer.Option(metavar="report|crop", help="Proteins beyond the encoder's limit: refuse, or cut.")
]
ItemsAsText = Annotated[
    bool,
    typer.Option("--items-as-text", help="Write SMILES and residues into the prompt, as for any other language model."),
]
ChatTemplate = Annotated[
    str | None,
    typer.Option(
        metavar="T",
        help="Of prompts with items as text: paper, language-model or a file; the model's own, or else paper, if none.",
    ),
]

BatchTokens = Annotated[
    int, typer.Option(metavar="N", min=1, help="Most tokens of a batch, padding and new ones included.")
]
MaxNewTokens = Annotated[int, typer.Option(metavar="N", min=1, help="Longest answer, in tokens.")]
NumBeams = Annotated[int, typer.Option(metavar="N", min=1, help="Beams; 1 is greedy.")]
Temperature = Annotated[
    float | None, typer.Option(metavar="T", min=0, help="Sample: the higher, the more varied. 0 is greedy.")
]
TopP = Annotated[float | None, typer.Option(metavar="P", help="Sample among the likeliest words of this share.")]
TopK = Annotated[int | None, typer.Option(metavar="K", min=1, help="Sample among the K likeliest words.")]
Seed = Annotated[int | None, typer.Option(metavar="N", help="Where chance begins; sampled answers are then the same.")]
Index = Annotated[
    Path | None,
    typer.Option(metavar="DIR", help="Known items, from `biomedgpt data index`; the embedded ones if none."),
]
Neighbours = Annotated[
    int | None, typer.Option(metavar="K", min=0, help="Give the K nearest known items of each molecule and protein.")
]
InPrompt = Annotated[
    bool, typer.Option("--in-prompt", help="Let the model read what is known of them before it answers.")
]
NoEvidence = Annotated[
    bool, typer.Option("--no-evidence", help="The model's words alone: nothing known, nothing computed.")
]
MinConfidence = Annotated[
    float | None,
    typer.Option(
        metavar="P",
        help="Leave out answers with a confidence below P, 0 to 1. Confidence .62: of answers like this one, 62 % was "
        "right on average. The checkpoint needs `biomedgpt calibrate`.",
    ),
]
Processes = Annotated[int | None, typer.Option(metavar="N", min=1, help="Worker processes; one per core if none.")]
