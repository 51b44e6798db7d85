"""Beginning again: which part of a journal a new execution starts with, and what it repeats.

Pure functions: nothing here reads a store or runs a step.
"""

from .fork import Again, Fork, fork
from .wording import describe

__all__ = ["Again", "Fork", "describe", "fork"]
