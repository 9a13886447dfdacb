"""When two molecules, proteins or questions are the same, and which are alike: one engine for all who compare."""
