"""Many questions about many items: in memory, or from files of any size."""
