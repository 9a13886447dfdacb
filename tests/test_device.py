"""The choice of a device."""

import pytest
import torch

from biomedgpt_hf.device import best_device
from biomedgpt_hf.inference.loading import load


@pytest.mark.parametrize(("cuda", "mps", "chosen"), [(True, True, "cuda"), (False, True, "mps"), (False, False, "cpu")])
def test_the_first_device_that_is_there_is_chosen(monkeypatch, cuda, mps, chosen):
    monkeypatch.setattr(torch.cuda, "is_available", lambda: cuda)
    monkeypatch.setattr(torch.backends.mps, "is_available", lambda: mps)
    assert best_device() == torch.device(chosen)


@pytest.mark.parametrize("device", ["gpu", "cuda:99", "cpu:x"])
def test_a_device_that_is_not_there_is_told_by_its_name_with_what_to_choose(device):
    with pytest.raises(ValueError, match=rf"^device is '{device}', which cannot be used here: .+\. Choose cuda, mps"):
        load(device=device)
