"""Does a model decline what harms, warn where that is due, and help with the rest? (Paper, section 5.)

`questions.yaml` has the questions by kind, `questions` makes rows of them, `reactions` tells what an answer does.
"""
