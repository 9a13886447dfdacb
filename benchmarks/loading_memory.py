"""Memory that loading a checkpoint needs.

    python benchmarks/loading_memory.py [--checkpoint C] [--gigabytes 1]

Measures  resident memory of a process that loads a checkpoint, and of it the dirty part, which is not a mere view of
          the file; polled from outside, at its peak, above what the process had after its imports
Ways      `torch.load` of the original file into a model made with random float32 weights, as the original does;
          `from_pretrained` in the checkpoint's own type, as this package's README does
Input     a checkpoint folder, or a synthetic original in bfloat16 that is converted here
Needs     Linux (/proc), and free disk of twice the size
Writes    a table of ratios to the weights' size, with versions and commit
"""

import argparse
import sys
import tempfile
from pathlib import Path

import torch
import transformers
from comparison import describe_software
from conversion_memory import make_state, watch
from safetensors.torch import load_file

from biomedgpt_hf.conversion import convert_biomedgpt

IMPORTS = """
import sys, torch
import biomedgpt_hf
from biomedgpt_hf import BioMedGPTConfig, BioMedGPTForConditionalGeneration
from transformers import AutoModelForMultimodalLM
print("ready", flush=True)
sys.stdin.readline()
"""
ANSWER = """
with torch.no_grad():
    model(input_ids=torch.arange(1, 9)[None], logits_to_keep=1)
"""
WAYS = {
    "torch.load into a random float32 model": """
model = BioMedGPTForConditionalGeneration(BioMedGPTConfig.from_pretrained(sys.argv[1]))
model.load_state_dict(torch.load(sys.argv[2], weights_only=True))
""",
    "from_pretrained": """
model = AutoModelForMultimodalLM.from_pretrained(sys.argv[1])
""",
    "from_pretrained, and one forward": """
model = AutoModelForMultimodalLM.from_pretrained(sys.argv[1])
"""
    + ANSWER,
}


def main() -> None:
    """Make a checkpoint if none is given, loads it each way, prints."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--checkpoint", help="folder; a synthetic one is made when left out")
    parser.add_argument("--gigabytes", type=float, default=1.0, help="size of the synthetic one")
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        checkpoint = (
            Path(arguments.checkpoint) if arguments.checkpoint else make_checkpoint(folder, arguments.gigabytes)
        )
        size = sum(path.stat().st_size for path in checkpoint.glob("*.safetensors"))
        torch_file = write_as_torch(checkpoint, folder / "weights.pth")
        print(f"{describe_software(torch, transformers)}\nweights of {size / 1e6:.0f} MB\n")
        print("| way | peak resident, × weights | of it dirty, × weights |")
        print("|---|---|---|")
        for way, code in WAYS.items():
            peaks = watch([sys.executable, "-c", IMPORTS + code, str(checkpoint), str(torch_file)])
            resident, dirty = (peaks[kind] - peaks[f"{kind} before"] for kind in ("resident", "dirty"))
            print(f"| {way} | {resident / size:.2f} | {dirty / size:.2f} |")


def make_checkpoint(folder: Path, gigabytes: float) -> Path:
    """Return a converted checkpoint in bfloat16 from a synthetic original."""
    torch.save(make_state(gigabytes), folder / "original.pth")
    convert_biomedgpt(folder / "original.pth", folder / "checkpoint", dtype="bfloat16")
    (folder / "original.pth").unlink()
    return folder / "checkpoint"


def write_as_torch(checkpoint: Path, path: Path) -> Path:
    """Return the same weights in a torch file."""
    state = {}
    for shard in sorted(checkpoint.glob("*.safetensors")):
        state |= load_file(shard)
    torch.save(state, path)
    return path


if __name__ == "__main__":
    main()
