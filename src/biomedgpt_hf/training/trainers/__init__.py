"""The trainers that a recipe can name, one file each, and what a run has to know of each (`trainer_kinds`)."""
