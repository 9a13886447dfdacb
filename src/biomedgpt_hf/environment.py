"""What a bug report needs to know about a machine and the packages on it."""

import os
import platform
import re
from importlib import metadata

import torch
from huggingface_hub import constants

from biomedgpt_hf.device import best_device
from biomedgpt_hf.disk.manifests import versions
from biomedgpt_hf.mini import LICENCE, SOURCES

DISTRIBUTION = "biomedgpt-hf"
MISSING = "not installed"
VARIABLES = ("CUDA_VISIBLE_DEVICES", "OMP_NUM_THREADS", "HF_HUB_OFFLINE", "HF_HOME")


def describe_environment() -> dict[str, str]:
    """Return versions, devices and settings by name, ready to print. Nothing in it is secret."""
    gpus = [torch.cuda.get_device_name(index) for index in range(torch.cuda.device_count())]
    requirements = _requirements()
    found = versions(DISTRIBUTION, *requirements)
    return {
        DISTRIBUTION: found.get(DISTRIBUTION, MISSING),
        "python": found["python"],
        "platform": platform.platform(),
        "processor cores": str(os.cpu_count()),
        **{name: found.get(name, MISSING) for name in requirements},
        "CUDA build": torch.version.cuda or torch.version.hip or "none",
        "CUDA devices": ", ".join(gpus) or "none",
        "MPS": "available" if torch.backends.mps.is_available() else "not available",
        "device chosen": str(best_device()),
        "embedded checkpoint": f"mini, {LICENCE}, as the rows it learned from: {SOURCES}",
        "Hub cache": constants.HF_HUB_CACHE,
        "Hub offline": str(constants.HF_HUB_OFFLINE),
        **{name: os.environ.get(name, "not set") for name in VARIABLES},
    }


def _requirements() -> list[str]:
    """Return the names of all packages that this package or one of its extras needs, by its metadata."""
    try:
        lines = metadata.requires(DISTRIBUTION) or []
    except metadata.PackageNotFoundError:  # the program runs from its source and is not installed
        lines = ["torch", "transformers"]
    names = {re.split(r"[^\w.-]", line, maxsplit=1)[0] for line in lines}
    return sorted(names - {DISTRIBUTION}, key=str.lower)
