"""What the paper says on what a BioMedGPT may be used for: cards and commands show it, each in its place."""

USE_RESTRICTION = (
    "The authors of BioMedGPT state (section 5 of the paper) that it should not be employed for research scenarios "
    "that endanger human life, and that any real-world application needs cautious, professional supervision and "
    "comprehensive experiments."
)
