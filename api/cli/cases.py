"""`test`: whether workflows come to what their cases say."""

from __future__ import annotations

from .exits import FAILED, OK
from .output import Output
from .text import clean, plural


async def check(paths: list[str], *, json: bool) -> int:
    """Raises `InvalidInput` or `InvalidSpec` before anything has run."""
    from ..cases import as_json, found, judge, load

    cases = [(file, load(file)) for file in found(paths)]
    out, verdicts = Output(), []
    for file, case in cases:
        verdict = await judge(file, case)
        verdicts.append(verdict)
        if not json:
            out.line(f"{'FAILED' if verdict.wrong else 'ok':8}{file}")
            for wrong in verdict.wrong:
                out.line(f"        {clean(wrong)}")
    failed = sum(bool(verdict.wrong) for verdict in verdicts)
    if json:
        out.json(as_json(verdicts))
    else:
        out.line(f"{plural(len(verdicts), 'case')}, {failed or 'none'} failed")
    return FAILED if failed else OK
