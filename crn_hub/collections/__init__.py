"""Collections of labelled photographs as they lie on a disk -> Hugging Face data sets."""
