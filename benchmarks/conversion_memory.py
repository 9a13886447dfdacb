"""Memory that a conversion needs.

    python benchmarks/conversion_memory.py [--gigabytes 1] [--json]

Measures  private memory (Private_Clean + Private_Dirty) of a process that converts an original BioMedGPT checkpoint,
          polled from outside every few milliseconds, at its peak: above what the imports took, and in all
Input     a synthetic checkpoint in the original's layout (half-precision Llama and ESM-2), written here; whole, as
          state-dict parts, as byte parts, and in torch's old format
Compares  with the largest source file's size; of the old format, torch itself reads the whole
Needs     Linux (/proc), and free disk of three times the size
Writes    a table with versions and commit, or JSON
"""

import argparse
import json
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import torch
import transformers
from comparison import describe_software

CONVERT = """
import sys
from biomedgpt_hf.conversion import convert_biomedgpt
print("ready", flush=True)
sys.stdin.readline()
convert_biomedgpt(sys.argv[2:], sys.argv[1])
"""


def main() -> None:
    """Write checkpoints, converts them, prints."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--gigabytes", type=float, default=1.0)
    parser.add_argument("--json", action="store_true", help="print one JSON object instead of a table")
    arguments = parser.parse_args()
    rows = {}
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        state = make_state(arguments.gigabytes)
        for kind in ("whole", "state-dict parts", "byte parts", "old format"):
            files = write(state, folder / "source", kind)
            rows[kind] = convert_and_watch(files, folder / "output")
            for path in [*files, *(folder / "output").iterdir()]:
                if path.is_file():
                    path.unlink()
    if arguments.json:
        print(json.dumps(rows))
        return
    print(describe_software(torch, transformers) + "\n")
    print(
        "| source | files | largest, MB | imports, MB | above imports, MB | above imports, × largest | all, × largest |"
    )
    print("|---|---|---|---|---|---|---|")
    for kind, row in rows.items():
        above, largest = row["private"] - row["private before"], row["largest"]
        print(
            f"| {kind} | {row['files']} | {largest / 1e6:.0f} | {row['private before'] / 1e6:.0f} | {above / 1e6:.0f} "
            f"| {above / largest:.2f} | {row['private'] / largest:.2f} |"
        )


def convert_and_watch(files: list[Path], output: Path) -> dict[str, float]:
    """Convert in a new process and give its peaks, in bytes."""
    if output.exists():
        output.rmdir()
    peaks = watch([sys.executable, "-c", CONVERT, str(output), *map(str, files)])
    largest = max(path.stat().st_size for path in files)
    return {"files": len(files), "largest": largest, **peaks}


def watch(command: list[str]) -> dict[str, float]:
    """Peaks of a process between its line "ready" and its end, in bytes.

    Returns:
        For each kind of `memory`, the peak since it was ready, and under "… before" the value then.
    """
    process = subprocess.Popen(
        command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )
    if process.stdin is None or process.stdout is None or process.stdout.readline().strip() != "ready":
        raise RuntimeError(process.communicate()[1])
    peaks = memory(process.pid)
    before = {f"{kind} before": value for kind, value in peaks.items()}
    process.stdin.write("\n")
    process.stdin.flush()
    while process.poll() is None:
        peaks = {kind: max(value, peaks[kind]) for kind, value in memory(process.pid).items()}
        time.sleep(0.005)
    if process.returncode:
        raise RuntimeError(process.communicate()[1][-2000:])
    return peaks | before


def memory(pid: int) -> dict[str, float]:
    """Bytes of a process: "resident", "private" (of it, what no other process shares), "dirty" (of it, not file pages).

    All zero once the process has ended.
    """
    try:
        lines = Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines()
    except (FileNotFoundError, ProcessLookupError, PermissionError):
        lines = []
    kilobytes = {line.split(":")[0]: int(line.split()[1]) for line in lines if line.endswith(" kB")}
    clean, dirty = (kilobytes.get(f"Private_{kind}", 0) * 1024 for kind in ("Clean", "Dirty"))
    return {"resident": kilobytes.get("Rss", 0) * 1024, "private": clean + dirty, "dirty": dirty}


def make_state(gigabytes: float) -> dict[str, torch.Tensor]:
    """Return an original checkpoint of about this size: a Llama 1,536 wide with as many layers as it takes."""
    pattern = torch.rand(1 << 20) * 0.2 - 0.1

    def fill(*shape: int, dtype: torch.dtype = torch.float16) -> torch.Tensor:
        count = torch.Size(shape).numel()
        return pattern.repeat(-(-count // len(pattern)))[:count].reshape(shape).to(dtype)

    width, inner, vocabulary = 1536, 4096, 32001
    per_layer = 2 * (4 * width * width + 3 * width * inner)
    layers = max(1, round((gigabytes * 1e9 - 4 * vocabulary * width) / per_layer))
    state = {"llm.model.embed_tokens.weight": fill(vocabulary, width), "llm.lm_head.weight": fill(vocabulary, width)}
    state["llm.model.norm.weight"] = fill(width)
    for i in range(layers):
        layer = f"llm.model.layers.{i}."
        for name in "qkvo":
            state[f"{layer}self_attn.{name}_proj.weight"] = fill(width, width)
        for name, shape in (("gate", (inner, width)), ("up", (inner, width)), ("down", (width, inner))):
            state[f"{layer}mlp.{name}_proj.weight"] = fill(*shape)
        for name in ("input", "post_attention"):
            state[f"{layer}{name}_layernorm.weight"] = fill(width)
        frequencies = 10000.0 ** -(torch.arange(0, 128, 2) / 128)
        state[f"{layer}self_attn.rotary_emb.inv_freq"] = frequencies.half()

    side, protein = 320, "prot_structure_encoder."
    state[f"{protein}embeddings.word_embeddings.weight"] = fill(33, side)
    for i in range(6):
        layer = f"{protein}encoder.layer.{i}."
        for name in ("attention.self.query", "attention.self.key", "attention.self.value", "attention.output.dense"):
            state |= {f"{layer}{name}.weight": fill(side, side), f"{layer}{name}.bias": fill(side)}
        for name, rows, columns in (("intermediate.dense", 4 * side, side), ("output.dense", side, 4 * side)):
            state |= {f"{layer}{name}.weight": fill(rows, columns), f"{layer}{name}.bias": fill(rows)}
        for name in ("attention.LayerNorm", "LayerNorm"):
            state |= {f"{layer}{name}.weight": fill(side), f"{layer}{name}.bias": fill(side)}
    state |= {f"{protein}encoder.emb_layer_norm_after.{name}": fill(side) for name in ("weight", "bias")}
    state |= {f"{protein}contact_head.regression.weight": fill(1, 120)}
    state |= {f"{protein}contact_head.regression.bias": fill(1)}

    full, gin = {"dtype": torch.float32}, "mol_structure_encoder."
    state |= {f"{gin}x_embedding1.weight": fill(120, 300, **full), f"{gin}x_embedding2.weight": fill(3, 300, **full)}
    for i in range(5):
        for name, shape in (
            (f"gnns.{i}.mlp.0.weight", (600, 300)), (f"gnns.{i}.mlp.0.bias", (600,)),
            (f"gnns.{i}.mlp.2.weight", (300, 600)), (f"gnns.{i}.mlp.2.bias", (300,)),
            (f"gnns.{i}.edge_embedding1.weight", (6, 300)), (f"gnns.{i}.edge_embedding2.weight", (3, 300)),
            (f"batch_norms.{i}.weight", (300,)), (f"batch_norms.{i}.bias", (300,)),
            (f"batch_norms.{i}.running_mean", (300,)), (f"batch_norms.{i}.running_var", (300,)),
        ):  # fmt: skip
            state[gin + name] = fill(*shape, **full).abs()
        state[f"{gin}batch_norms.{i}.num_batches_tracked"] = torch.tensor(0)
    for name, columns in (("proj_mol", 300), ("proj_prot", side)):
        state |= {f"{name}.weight": fill(width, columns, **full), f"{name}.bias": fill(width, **full)}
    return state


def write(state: dict[str, torch.Tensor], folder: Path, kind: str) -> list[Path]:
    """Write the checkpoint as one file or four parts."""
    folder.mkdir(exist_ok=True)
    if kind == "state-dict parts":
        keys = list(state)
        paths = [folder / f"part-{number}-of-4.pth" for number in range(1, 5)]
        for number, path in enumerate(paths):
            torch.save({key: state[key] for key in keys[number::4]}, path)
        return paths
    whole = folder / "biomedgpt.pth"
    torch.save(state, whole, _use_new_zipfile_serialization=kind != "old format")
    if kind != "byte parts":
        return [whole]
    size = -(-whole.stat().st_size // 4)
    paths = [folder / f"biomedgpt.pth.part_a{letter}" for letter in "abcd"]
    with whole.open("rb") as file:
        for path in paths:
            path.write_bytes(file.read(size))
    whole.unlink()
    return paths


if __name__ == "__main__":
    main()
