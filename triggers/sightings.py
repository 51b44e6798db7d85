"""What has become of files since they were last told of."""

from __future__ import annotations

import base64
import json
import zlib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

from .folder import Found, Seen

FileEvent = Literal["created", "modified", "deleted"]


@dataclass(frozen=True, slots=True)
class Change:
    """`version` is that of the file as it is now, or of the one that is gone."""

    path: str
    event: FileEvent
    version: str
    seen: Seen | None

    @property
    def id(self) -> str:
        """The same for whoever sees it: another may have seen the file before, or not."""
        gone = "\0deleted" if self.event == "deleted" else ""
        return f"{self.path}\0{self.version}{gone}"


class Sightings:
    """`known` are the versions of files that have been told of, by path."""

    def __init__(self, known: Mapping[str, str]) -> None:
        self._restless: dict[str, tuple[str, float]] = {}
        self.learn(known)

    def learn(self, known: Mapping[str, str]) -> None:
        """That others have told of these."""
        self.known = dict(known)
        self._calm: dict[str, Seen] = {}

    def changes(self, found: Found, now: float, settle: float) -> Sequence[Change]:
        """Those that have not moved for `settle` seconds; `now` in seconds of any clock.

        They come again until `told` is said of them.
        """
        moved = [*self._moved(found)]
        restless = {}
        for change in moved:
            id, since = self._restless.get(change.path, ("", now))
            restless[change.path] = (change.id, since if id == change.id else now)
        self._restless = restless
        return [each for each in moved if now - restless[each.path][1] >= settle]

    def told(self, changes: Sequence[Change]) -> None:
        for change in changes:
            if change.event == "deleted":
                self.known.pop(change.path, None)
                self._calm.pop(change.path, None)
            else:
                self.known[change.path] = change.version

    def tells(self, changes: Sequence[Change]) -> bool:
        """Whether all of them have been told of."""
        return all(_is_told(change, self.known) for change in changes)

    def _moved(self, found: Found) -> Iterator[Change]:
        """In most looks nothing has: then it costs a comparison for each file."""
        for path, seen in found.files.items():
            if self._calm.get(path) == seen:
                continue
            event: FileEvent = "modified" if path in self.known else "created"
            change = Change(path, event, seen.version, seen)
            if _is_told(change, self.known):
                self._calm[path] = seen
            else:
                yield change
        if found.whole:
            for path in sorted(self.known.keys() - found.files.keys()):
                yield Change(path, "deleted", self.known[path], None)


def packed(known: Mapping[str, str]) -> str:
    """As text that is short: 10,000 files are some 300 kB."""
    return base64.b64encode(zlib.compress(json.dumps(known).encode())).decode()


def unpacked(text: str) -> dict[str, str]:
    known: dict[str, str] = json.loads(zlib.decompress(base64.b64decode(text)))
    return known


def _is_told(change: Change, known: Mapping[str, str]) -> bool:
    version = known.get(change.path)
    return version is None if change.event == "deleted" else version == change.version
