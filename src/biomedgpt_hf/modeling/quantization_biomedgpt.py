"""Quantisation: the language model shrinks, and what feeds it stays as exact as it was trained."""

import copy
from collections.abc import Sequence
from typing import Any

from transformers.quantizers import AutoQuantizationConfig

# How transformers' configs call the list of modules that stay as they are. Methods that know no such list (GPTQ) name
# the blocks to quantise instead, or only load checkpoints that somebody quantised before.
SKIP_LISTS = ("llm_int8_skip_modules", "modules_to_not_convert", "skip_modules")


def exempt(quantization_config: Any, modules: Sequence[str]) -> Any:
    """Add modules to a quantisation config's skip list.

    A skip list replaces transformers' own choice, which is the `lm_head` alone, so `modules` should name that too.

    Args:
        quantization_config: any of transformers' quantisation configs, or one as a dict; it is not changed.
        modules: names of modules, which stand for all that is in them.

    Returns:
        A copy with the longer list; or the config itself if its method has none.
    """
    if isinstance(quantization_config, dict):
        quantization_config = AutoQuantizationConfig.from_dict(quantization_config)
    for field in SKIP_LISTS:
        if hasattr(quantization_config, field):
            listed = getattr(quantization_config, field) or []
            quantization_config = copy.copy(quantization_config)
            setattr(quantization_config, field, [*listed, *(name for name in modules if name not in listed)])
    return quantization_config
