"""Tables and figures of papers, filled again: each is a recipe that says what is asked about what, and in which way.

recipe   YAML → `TableRecipe` or `CasesRecipe`
run      every row is evaluated into a folder of its own
table    the rows of the paper and ours, one below the other
cases    single questions, and what each model says to them
"""
