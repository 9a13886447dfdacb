"""What a run is told: a recipe, the words of a command line, and `TrainingArguments` made of both."""
