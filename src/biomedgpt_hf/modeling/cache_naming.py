"""What transformers calls the keys and values of earlier tokens: `cache` since 5.24, `past_key_values` until then.

Code here says `cache`. `CACHE_NAME` is the word for what goes to transformers and for what comes from it.
"""

import inspect
from collections.abc import Callable
from dataclasses import fields
from functools import wraps
from typing import Any, TypeVar

from transformers.modeling_outputs import BaseModelOutputWithPast

CACHE_NAMES = ("cache", "past_key_values")
CACHE_NAME = next(name for name in CACHE_NAMES if name in {field.name for field in fields(BaseModelOutputWithPast)})

Result = TypeVar("Result")


def takes_cache_by_any_name(method: Callable[..., Result]) -> Callable[..., Result]:
    """Let a method with the argument `cache` be called with any of `CACHE_NAMES`.

    Its signature says `CACHE_NAME`, since `generate` looks there for what a model takes.

    Raises:
        ValueError: when it is called with caches under two names.
    """

    @wraps(method)
    def call(self: Any, *args: Any, **kwargs: Any) -> Result:
        given = {name: kwargs.pop(name) for name in CACHE_NAMES if name in kwargs}
        caches = [cache for cache in given.values() if cache is not None]
        if len(caches) > 1:
            raise ValueError(f"{' and '.join(given)} are two names of one argument: pass {CACHE_NAME} alone.")
        if caches:
            kwargs["cache"] = caches[0]
        return method(self, *args, **kwargs)

    signature = inspect.signature(method)
    parameters = [p.replace(name=CACHE_NAME) if p.name == "cache" else p for p in signature.parameters.values()]
    call.__signature__ = signature.replace(parameters=parameters)  # type: ignore[attr-defined]
    return call
