"""A report as a folder: report.md, scores.csv, and a PNG of each metric."""

from __future__ import annotations

from pathlib import Path

from biomedgpt_hf.disk.replacing import write_text
from biomedgpt_hf.evaluation.report.charts import write_charts
from biomedgpt_hf.evaluation.report.markdown import as_markdown
from biomedgpt_hf.evaluation.report.side_by_side import SideBySide
from biomedgpt_hf.evaluation.report.tables import write_csv


def write_report(folder: Path, results: SideBySide) -> None:
    """Write a report into a folder, which is made if it is missing; an older report is replaced.

    Raises:
        ModuleNotFoundError: matplotlib is not installed.
        OSError: the folder cannot be written.
    """
    folder.mkdir(parents=True, exist_ok=True)
    write_csv(folder / "scores.csv", results)
    charts = write_charts(folder, results)
    write_text(folder / "report.md", as_markdown(results, charts))
