"""What the paper says on what a BioMedGPT may be used for: cards and commands show it, each in its place."""

USE_RESTRICTION = (
    "Not for research that endangers human life. Any real-world application needs cautious, professional supervision "
    "and comprehensive experiments (the authors of BioMedGPT, section 5 of the paper)."
)
