"""Real FSDP2 on CPUs, for tests: accelerate ignores FSDP there and runs DDP without a word."""

from typing import Any

from accelerate.state import AcceleratorState, DistributedType, PartialState


def shard_on_cpu() -> None:
    """Makes accelerate, in this process, take an FSDP plugin on the CPU as it does on GPUs."""
    initialize = AcceleratorState.__init__

    def initialize_sharding(self: AcceleratorState, *arguments: Any, fsdp_plugin: Any = None, **options: Any) -> None:
        initialize(self, *arguments, fsdp_plugin=fsdp_plugin, **options)
        if fsdp_plugin is not None:
            if self._mixed_precision != "no":
                fsdp_plugin.set_mixed_precision(self._mixed_precision)
            self.fsdp_plugin = fsdp_plugin
            self.distributed_type = PartialState._shared_state["distributed_type"] = DistributedType.FSDP

    AcceleratorState.__init__ = initialize_sharding
