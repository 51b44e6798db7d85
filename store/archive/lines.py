"""The lines of an archive: one JSON object each, numbered, counted, and sealed by SHA-256.

{"assay": "archive", "format": 2, …}          first
{"assay": "blob" …} {"assay": "chunk" …}      bytes, before whatever names them
{"assay": "execution" …} … {"assay": "end"}   one execution, with the digest of its lines
{"assay": "trailer", "lines": …, "sha256": …} last
"""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Iterator
from typing import Any, BinaryIO

import orjson

from ...graphs.errors import InvalidInput, NewerFormat

FORMAT = 2
"""The format that is written. Format 1 is one document for each execution (`assay export`)."""

LONGEST = 256 * 1024 * 1024
"""Bytes of one line; a longer one is no line of an archive."""


class Writer:
    """Writes lines to a stream."""

    def __init__(self, stream: BinaryIO) -> None:
        self.counts: Counter[str] = Counter()
        self._stream = stream
        self._whole = hashlib.sha256()
        self._part = hashlib.sha256()

    def header(self, **about: Any) -> None:
        self.line("archive", format=FORMAT, **about)

    def line(self, kind: str, **content: Any) -> None:
        self._write(orjson.dumps({"assay": kind, **content}, option=orjson.OPT_APPEND_NEWLINE))
        self.counts[kind] += 1

    def begin(self) -> None:
        """The lines from here to `end` belong together."""
        self._part = hashlib.sha256()

    def end(self, id: str) -> None:
        self.line("end", id=id, sha256=self._part.hexdigest())

    def trailer(self) -> None:
        self.line("trailer", counts=dict(self.counts), sha256=self._whole.hexdigest())

    def _write(self, data: bytes) -> None:
        self._stream.write(data)
        self._whole.update(data)
        self._part.update(data)


class Reader:
    """Reads lines back. Every error names the place."""

    def __init__(self, stream: BinaryIO, source: str) -> None:
        """`source` is what the stream is called in messages."""
        self.number = 0
        self.counts: Counter[str] = Counter()
        self._stream = stream
        self._source = source
        self._whole = hashlib.sha256()
        self._part = hashlib.sha256()

    @property
    def place(self) -> str:
        return f"{self._source}, line {self.number}"

    def wrong(self, what: str) -> InvalidInput:
        return InvalidInput(f"{self.place}: {what}")

    def lines(self) -> Iterator[dict[str, Any]]:
        """Each line between header and trailer.

        Raises `InvalidInput` for what is no archive or was cut off, `NewerFormat` for one of a
        newer Assay.
        """
        self._check_header(self._next())
        while True:
            whole = self._whole.hexdigest()
            line = self._next()
            if line["assay"] == "trailer":
                self._check_trailer(line, whole)
                return
            self.counts[line["assay"]] += 1
            yield line

    def begin(self) -> None:
        """The line that was read last is the first of some that belong together."""
        self._part = hashlib.sha256(self._last)

    def check_end(self, line: dict[str, Any]) -> None:
        """The lines from `begin` to this one are as they were written."""
        if line.get("sha256") != self._before:
            raise self.wrong(
                "what was read of this execution is not what was written: the file is damaged; "
                "export it once more"
            )

    def _next(self) -> dict[str, Any]:
        self.number += 1
        raw = self._stream.readline(LONGEST)
        if not raw:
            raise self.wrong(
                "the archive ends here, before its trailer: it was cut off; export it once more"
            )
        try:
            line = orjson.loads(raw)
        except orjson.JSONDecodeError as error:
            cut = "" if raw.endswith(b"\n") else ", and the file ends in the middle of it"
            raise self.wrong(
                f"this is no JSON ({error}){cut}; is it an archive of Assay? What `assay export` "
                "wrote is read with: assay import"
            ) from error
        if not isinstance(line, dict) or not isinstance(line.get("assay"), str):
            raise self.wrong("this is no line of an archive; write one with: assay store export")
        self._last, self._before = raw, self._part.hexdigest()
        self._whole.update(raw)
        self._part.update(raw)
        return line

    def _check_header(self, line: dict[str, Any]) -> None:
        format = line.get("format")
        if line["assay"] != "archive" and format == 1:
            raise self.wrong("this was written by `assay export`; read it with: assay import")
        if line["assay"] != "archive" or not isinstance(format, int):
            raise self.wrong("this is no archive of Assay; write one with: assay store export")
        if format > FORMAT:
            raise NewerFormat(
                f"{self.place}: the archive is written in format {format}, and this Assay knows "
                f"formats up to {FORMAT}; upgrade Assay"
            )
        self.counts["archive"] += 1

    def _check_trailer(self, line: dict[str, Any], whole: str) -> None:
        if line.get("counts") != dict(self.counts) or line.get("sha256") != whole:
            raise self.wrong(
                "the trailer does not fit what was read: the file is damaged, or lines of it are "
                "missing; export it once more"
            )
        if self._stream.readline(1):
            self.number += 1
            raise self.wrong("there is more after the trailer; give one archive at a time")
