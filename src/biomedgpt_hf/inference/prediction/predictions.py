"""Predictions as a table."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from biomedgpt_hf.extras import missing_package
from biomedgpt_hf.inference.prediction.predictor import Prediction

if TYPE_CHECKING:
    from pandas import DataFrame


EVIDENCE_FIELDS = ("neighbours", "computed")


class Predictions(list[Prediction]):
    """A list of predictions."""

    def to_pandas(self) -> DataFrame:
        """Return them as a table with a row for each, and the fields of `Prediction` as columns.

        The columns `neighbours` and `computed` are there if there is evidence, with a list of dictionaries in each row.

        Raises:
            ImportError: pandas is not installed.
        """
        try:
            from pandas import DataFrame
        except ModuleNotFoundError as error:
            raise ImportError(missing_package("pandas", "data")) from error
        names = list(Prediction._fields)
        for name in EVIDENCE_FIELDS:
            if all(getattr(one, name) is None for one in self):
                names.remove(name)
        rows = [row_of(one) for one in self]
        return DataFrame({name: [row.get(name) for row in rows] for name in names})


def row_of(prediction: Prediction) -> dict[str, Any]:
    """Return a prediction as a row of a file or a table, without the fields of evidence that it has not."""
    row = prediction._asdict()
    neighbours, computed = row.pop("neighbours"), row.pop("computed")
    if neighbours is not None:
        row["neighbours"] = [
            {**neighbour._asdict(), "texts": [text._asdict() for text in neighbour.texts]} for neighbour in neighbours
        ]
    if computed is not None:
        row["computed"] = [{**one._asdict(), "functional_groups": list(one.functional_groups)} for one in computed]
    return row
