"""What a bug report needs to know about a machine and the packages on it."""

import os
import platform

import torch
from huggingface_hub import constants

from biomedgpt_hf.device import best_device
from biomedgpt_hf.disk.manifests import versions
from biomedgpt_hf.extras import DISTRIBUTION, required_packages
from biomedgpt_hf.mini import LICENCE, SOURCES

MISSING = "not installed"
VARIABLES = ("CUDA_VISIBLE_DEVICES", "OMP_NUM_THREADS", "HF_HUB_OFFLINE", "HF_HOME")


def describe_environment() -> dict[str, str]:
    """Return versions, devices and settings by name, ready to print. Nothing in it is secret."""
    gpus = [torch.cuda.get_device_name(index) for index in range(torch.cuda.device_count())]
    requirements = required_packages() or ("torch", "transformers")
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
