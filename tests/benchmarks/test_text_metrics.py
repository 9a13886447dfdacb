"""The benchmark of the text metrics runs, and finds the same scores both ways."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from biomedgpt_hf.evaluation.text_metrics import MissingWordNetError
from biomedgpt_hf.evaluation.text_metrics.wordnet import load_wordnet

SCRIPT = Path(__file__).resolve().parents[2] / "benchmarks" / "text_metrics.py"


@pytest.mark.slow
def test_scoring_row_by_row_gives_the_same(tmp_path):
    pytest.importorskip("rouge_score")
    pytest.importorskip("nltk")
    try:
        load_wordnet()
    except MissingWordNetError as error:
        pytest.skip(f"METEOR needs WordNet 3.0: {error}")
    letters = [chr(code) for code in range(ord("a"), ord("z") + 1)]
    tokens = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", "acid", "kin", *letters, *(f"##{one}" for one in letters)]
    (tmp_path / "vocab.txt").write_text("".join(f"{token}\n" for token in tokens))
    command = [sys.executable, str(SCRIPT), "--tokenizer", str(tmp_path), "--pairs", "300", "--rows", "60"]
    finished = subprocess.run(
        [*command, "--repeats", "1", "--processes", "2"], capture_output=True, text=True, timeout=300, env=os.environ
    )
    assert finished.returncode == 0, finished.stderr[-3000:]
    assert "| answers about proteins | 60 |" in finished.stdout and "\n| 2 | " in finished.stdout
