"""A small shopping cart with two mistakes in it, for the example to find."""

from __future__ import annotations

PRICES = {"apple": 30, "bread": 250, "tea": 420}


def total(items: dict[str, int]) -> int:
    """The price of the items in cents."""
    return sum(PRICES[name] * count for name, count in items.items())


def discount(cents: int, percent: int) -> int:
    """The price after a discount."""
    return cents - percent


def receipt(items: dict[str, int]) -> list[str]:
    """A line for each item."""
    return [f"{count} x {name.title()}" for count, name in items.items()]
