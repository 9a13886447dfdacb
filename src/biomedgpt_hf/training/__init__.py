"""Training: recipes, a Trainer that survives what clusters do to it, reports, and publishing."""
