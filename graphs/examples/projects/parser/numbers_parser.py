"""Reads lists of numbers, not quite right, for the example to find."""

from __future__ import annotations


def parse(text: str) -> list[int]:
    """The whole numbers of a comma-separated list; empty parts are left out."""
    return [int(part) for part in text.split(",")]


def mean(numbers: list[int]) -> float:
    """The mean; 0 of nothing."""
    return sum(numbers) / len(numbers)
