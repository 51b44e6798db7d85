"""What is in a folder, as data: the form in which a journal names it.

A tree maps relative paths, with forward slashes, to entries:

    ["d", mode]                                  a folder
    ["f", mode, size, sha256]                    a file that is a blob
    ["f", mode, size, sha256, blob, offset]      a file that is a part of a blob
    ["l", target]                                a symbolic link

What a step left is `{"changed": {path: entry or null}, "with": [path of step, …]}`: null is
gone; `with` are the steps that ran at the same time, any of which may have done some of it.
It is empty when nothing changed.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Set
from typing import Any

from ..errors import StateCorrupted
from ..history import History

Entry = list[Any]
Tree = Mapping[str, Entry]
Changes = Mapping[str, Entry | None]
Files = Mapping[str, Any]


def changes(files: Files) -> Changes:
    """What a step left, by path; null is gone."""
    found: Changes = files.get("changed", {})
    return found


def tree_of(history: History) -> Tree:
    """What is in the folder when everything is that the history tells of.

    Where two steps changed one path, the later of their records counts. Raises
    `StateCorrupted` for what is no tree.
    """
    tree: dict[str, Entry] = {}
    for _, files in _in_order(history):
        for path, entry in changes(files).items():
            if entry is None:
                tree.pop(path, None)
            else:
                tree[path] = entry
    for path, entry in tree.items():
        _check(path, entry, tree)
    return tree


def same(one: Entry | None, other: Entry | None) -> bool:
    """Whether both are the same, wherever their bytes are kept."""
    return one == other or (one is not None and other is not None and one[:4] == other[:4])


def blobs_of(files: Files) -> frozenset[str]:
    """The blobs in which the bytes are of what a step left."""
    entries = [entry for entry in changes(files).values() if entry is not None]
    return frozenset(e[4] if len(e) > 4 else e[3] for e in entries if e[0] == "f")


def inherited(history: History, kept: Set[str]) -> Mapping[str, Files]:
    """What a fork has of files, by the path of a kept step: as the folder was for those.

    What may have been done by a kept step while another ran that is not, stays: no kept step
    may miss its files. It comes to the first kept step that ended later.
    """
    found: dict[str, Files] = {}
    carried: dict[str, dict[str, Entry | None]] = {}
    for path, files in _in_order(history):
        changed, sharers = changes(files), files.get("with", [])
        if path in kept:
            own = {**carried.pop(path, {}), **changed}
            for others in carried.values():
                for later in own.keys() & others.keys():
                    del others[later]
            found[path] = {"changed": own, "with": list(sharers)} if own else {}
        elif heirs := [s for s in sharers if s in kept and s not in found]:
            carried.setdefault(heirs[0], {}).update(changed)
    return found


def _in_order(history: History) -> Iterator[tuple[str, Files]]:
    """What was left at each path, in order of the journal."""
    ended = [(r.seq, r.path, r.files) for r in history.results.values()]
    failed = [(t.seq, path, t.files) for path, t in history.tried.items()]
    for _, path, files in sorted([*ended, *failed], key=lambda one: one[0]):
        yield path, files


def _check(path: str, entry: Entry, tree: Tree) -> None:
    parts = path.split("/")
    sound = all(part not in ("", ".", "..") and "\0" not in part for part in parts)
    match entry:
        case ["d", int()] | ["l", str()]:
            pass
        case ["f", int(), int(), str()] | ["f", int(), int(), str(), str(), int()]:
            pass
        case _:
            sound = False
    above = path.rpartition("/")[0]
    if not sound or (above and tree.get(above, [""])[0] != "d"):
        raise StateCorrupted(
            f"the journal names {path!r} in the workspace in a way that no step can have left it"
        )
