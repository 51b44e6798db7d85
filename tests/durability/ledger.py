"""What the world outside remembers: each effect as it begins and as it has happened.

A file of lines, written by whoever has an effect, so that no death of a process can hide one:

    begin PATH ATTEMPT PID    the effect of a step is about to happen
    end PATH ATTEMPT PID      it has happened
    life                      the execution is begun, or gone on with
    durable PATH              the new life finds this result in the journal (or `PATH@2`: that
                              its second attempt has failed)
    repeat PATH               somebody was asked about a `once` step and said: run it again
"""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path


class Ledger:
    """Appends and reads; any number of processes may share one file."""

    def __init__(self, file: Path) -> None:
        self._file = file

    @classmethod
    def of(cls, workspace: Path) -> Ledger:
        """The ledger of a workspace; shell commands name the file themselves."""
        return cls(workspace / "ledger")

    def begin(self, path: str, attempt: int = 1) -> None:
        self.write(f"begin {path} {attempt} {os.getpid()}")

    def end(self, path: str, attempt: int = 1) -> None:
        self.write(f"end {path} {attempt} {os.getpid()}")

    def write(self, *lines: str) -> None:
        """Append lines in one go: none of them is ever half there."""
        if not lines:
            return
        file = os.open(self._file, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o644)
        try:
            os.write(file, "".join(f"{line}\n" for line in lines).encode())
        finally:
            os.close(file)

    def lines(self) -> list[str]:
        return self._file.read_text().splitlines() if self._file.exists() else []

    def happened(self, path: str) -> bool:
        """Whether the effect of that step has happened."""
        return any(line.startswith(f"end {path} ") for line in self.lines())


@dataclass(frozen=True)
class Account:
    """A ledger added up.

    `begun` and `ended` count by path and attempt, `order` is what came after what, `again`
    names what began although its result was durable, `repeats` counts what was repeated on
    request, `lives` holds for each but the first what had begun and what was durable then.
    """

    begun: Counter[tuple[str, int]] = field(default_factory=Counter)
    ended: Counter[tuple[str, int]] = field(default_factory=Counter)
    again: list[str] = field(default_factory=list)
    repeats: Counter[str] = field(default_factory=Counter)
    order: list[tuple[str, str]] = field(default_factory=list)
    lives: list[tuple[frozenset[str], set[str]]] = field(default_factory=list)

    @classmethod
    def of(cls, lines: Iterable[str]) -> Account:
        account = cls()
        durable: set[str] = set()
        for line in lines:
            what, *told = line.split(" ")
            if what == "life":
                begun = frozenset(path for path, _ in account.begun)
                durable = set()
                account.lives.append((begun, durable))
                continue
            path, *rest = told
            match what:
                case "durable":
                    durable.add(path)
                case "repeat":
                    account.repeats[path] += 1
                case "begin":
                    attempt = int(rest[0])
                    account.begun[path, attempt] += 1
                    account.order.append((path, "begins"))
                    if {path, f"{path}@{attempt}"} & durable:
                        account.again.append(line)
                case "end":
                    account.ended[path, int(rest[0])] += 1
                    account.order.append((path, "ends"))
        return account

    @property
    def repeated(self) -> int:
        """How many attempts began once more than they should have."""
        return sum(n - 1 for n in self.begun.values())
