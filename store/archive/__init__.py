"""Whole executions, out of a store and into another: through a file, or from one to the other."""
