"""The list of modalities: two, and what is added to it at run time."""

import pickle

from biomedgpt_hf.modalities import MODALITIES, KnowingModalities, item_columns


def columns_and(argument):
    return [*item_columns().values(), argument]


def test_a_modality_that_is_registered_later_has_its_column_behind_the_others(cell):
    assert item_columns() == {"molecule": "molecules", "protein": "proteins", "cell": "cells"}
    assert (cell.encoder, cell.projector, cell.token_id) == ("cell_encoder", "cell_projector", "cell_token_id")


def test_a_function_takes_the_registered_modalities_to_other_processes(cell):
    packed = pickle.dumps(KnowingModalities(columns_and))
    del MODALITIES[cell.name]  # as in a process that has just been started
    assert pickle.loads(packed)("a") == ["molecules", "proteins", "cells", "a"]
    assert MODALITIES[cell.name] == cell
