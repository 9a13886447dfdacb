"""One folder for each data set, with its `builder`; `catalogue` says where their public sources are."""
