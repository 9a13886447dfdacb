"""Predictions as a table."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from biomedgpt_hf.extras import missing_package
from biomedgpt_hf.inference.prediction.predictor import Prediction

if TYPE_CHECKING:
    from pandas import DataFrame


class Predictions(list[Prediction]):
    """A list of predictions."""

    def to_pandas(self) -> DataFrame:
        """Return them as a table with a row for each, and the fields of `Prediction` as columns.

        The column `neighbours` is there if neighbours were asked for, with a list of dictionaries in each row.

        Raises:
            ImportError: pandas is not installed.
        """
        try:
            from pandas import DataFrame
        except ModuleNotFoundError as error:
            raise ImportError(missing_package("pandas", "data")) from error
        names = list(Prediction._fields)
        if all(one.neighbours is None for one in self):
            names.remove("neighbours")
        rows = [row_of(one) for one in self]
        return DataFrame({name: [row.get(name) for row in rows] for name in names})


def row_of(prediction: Prediction) -> dict[str, Any]:
    """Return a prediction as a row of a file or a table, without neighbours if they were not asked for."""
    row = prediction._asdict()
    neighbours = row.pop("neighbours")
    if neighbours is not None:
        row["neighbours"] = [
            {**neighbour._asdict(), "texts": [text._asdict() for text in neighbour.texts]} for neighbour in neighbours
        ]
    return row
