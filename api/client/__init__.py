"""A server of Assay, from Python: `assay.Client`."""
