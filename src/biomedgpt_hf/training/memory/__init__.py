"""What a run will hold in memory, by arithmetic."""
