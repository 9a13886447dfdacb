"""What a run tells: losses and speed while it trains, a report and a model card after it."""
