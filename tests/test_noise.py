"""What other packages print while they are imported, and what a user's own code says, which stays."""

import logging
import subprocess
import sys

import pytest

import biomedgpt_hf  # noqa: F401  which filters


def started(code):
    return subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=120)


def test_importing_the_package_prints_nothing():
    result = started("import biomedgpt_hf; biomedgpt_hf.BioMedGPTForConditionalGeneration")
    assert (result.returncode, result.stdout, result.stderr) == (0, "", "")


@pytest.mark.parametrize(
    ("logger", "message", "is_noise"),
    [
        ("torchao", "Failed to load /x/_C_mxfp8.so: Could not load this library", True),
        ("torchao", "Quantization of this layer failed.", False),
        ("torch.utils._pytree", "<enum 'Kernel'> is an Enum subclass and is now natively supported by …", True),
        ("torch.utils._pytree", "A pytree is not balanced.", False),
        ("bitsandbytes.backends.cpu.ops", "Failed to load CPU gemm_4bit_forward from kernels-community: x", True),
        ("a user's own", "Failed to load my file", False),
    ],
)
def test_only_messages_that_nobody_can_act_on_are_left_out(caplog, logger, message, is_noise):
    logging.getLogger(logger).warning(message)
    assert (message not in caplog.messages) is is_noise


def test_warnings_of_the_users_own_code_stay():
    result = started("import biomedgpt_hf, logging, warnings; warnings.warn('mine'); logging.warning('also mine')")
    assert "mine" in result.stderr and "also mine" in result.stderr
