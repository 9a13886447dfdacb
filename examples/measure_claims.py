"""Measures how often references break the rules by which answers are refuted (`biomedgpt_hf.chemistry.claims`).

    python examples/measure_claims.py ChEBI-20_data/validation.txt

Input     captions as ChEBI-20 has them: CID, SMILES and description between tabs
Prints    for each rule the claims that it speaks to, and how many of them it refutes; a rule above 3 % is dropped
"""

import argparse
from collections import Counter
from pathlib import Path

from biomedgpt_hf.chemistry.caption_statements import statements
from biomedgpt_hf.chemistry.claims import RULES
from biomedgpt_hf.similarity.structure_key import read_molecule


def main() -> None:
    """Read the command line and print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("captions", type=Path)
    checked, refuted = measure(parser.parse_args().captions)
    for rule in RULES:
        share = refuted[rule.name] / max(1, checked[rule.name])
        print(f"{rule.name:25} {checked[rule.name]:6,} {refuted[rule.name]:6,} {share:7.1%}")
    print(f"{'all':25} {checked.total():6,} {refuted.total():6,} {refuted.total() / max(1, checked.total()):7.1%}")


def measure(captions: Path) -> tuple[Counter[str], Counter[str]]:
    """Count for each rule the claims that it speaks to, and those that it refutes."""
    checked: Counter[str] = Counter()
    refuted: Counter[str] = Counter()
    for line in captions.read_text("utf-8").splitlines()[1:]:
        _, smiles, caption = line.split("\t")
        try:
            molecule = read_molecule(smiles.replace("\\\\", "\\"))  # the published files double backslashes
        except ValueError:
            continue
        for statement in statements(caption):
            for rule in RULES if statement.relation == "class" else ():
                if rule.classes.search(statement.name):
                    checked[rule.name] += 1
                    refuted[rule.name] += not rule.holds(molecule)
    return checked, refuted


if __name__ == "__main__":
    main()
