"""Where the event loop's thread spends its processor time, by samples that slow nothing down.

What a C function takes is its caller's; by library, so is what Python's own library takes.
Waiting does not count, however busy the machine is. The garbage collector stands by itself:
whose allocation starts it is chance.
"""

from __future__ import annotations

import gc
import signal
import time
from collections import Counter
from collections.abc import Awaitable, Callable
from pathlib import Path
from types import CodeType, FrameType
from typing import Any, Self

SECONDS = 8.0
"""Of processor time; the kernel takes a sample each 4 ms or so, and says when it is 10."""

LINES = 25
ROOMS = ("agents/", "api/", "graphs/", "store/", "triggers/")


class Samples:
    """Samples of the main thread's stack, while it is entered."""

    def __init__(self) -> None:
        self.own: Counter[CodeType] = Counter()
        self.below: Counter[CodeType] = Counter()
        self.homes: Counter[str] = Counter()
        self.collecting = 0.0

    def __enter__(self) -> Self:
        gc.callbacks.append(self._collect)
        signal.signal(signal.SIGPROF, self._take)
        signal.setitimer(signal.ITIMER_PROF, 0.001, 0.001)
        return self

    def __exit__(self, *_: object) -> None:
        signal.setitimer(signal.ITIMER_PROF, 0)
        signal.signal(signal.SIGPROF, signal.SIG_DFL)
        gc.callbacks.remove(self._collect)

    def _take(self, _: int, frame: FrameType | None) -> None:
        # While this thread waits, it is the time of another; a collection is timed as a whole.
        if frame is None or frame.f_code.co_name in ("select", "_collect"):
            return
        self.own[frame.f_code] += 1
        stack = [frame.f_code]
        while (frame := frame.f_back) is not None:
            stack.append(frame.f_code)
        self.below.update(set(stack))
        self.homes[next(filter(None, map(_home, stack)), "Python")] += 1

    def _collect(self, phase: str, _: dict[str, int]) -> None:
        sign = -1 if phase == "start" else 1
        self.collecting += sign * time.thread_time()


async def profile(title: str, run: Callable[[], Awaitable[Any]], steps: int) -> None:
    """Repeat a run of so many steps for some seconds, and print where they went."""
    await run()
    runs = 0
    loop, process = time.thread_time(), time.process_time()
    with Samples() as samples:
        while time.process_time() - process < SECONDS:
            await run()
            runs += 1
    loop, process = time.thread_time() - loop, time.process_time() - process
    each = 1e6 / (runs * steps)
    print(f"\nProfile of {title}: {runs} runs of {steps} steps, {samples.own.total()} samples")
    print(
        f"  Processor time of a step: {loop * each:.0f} µs in the loop's thread, "
        f"of which {samples.collecting * each:.0f} µs in the garbage collector; "
        f"{(process - loop) * each:.0f} µs in other threads"
    )
    share = (loop - samples.collecting) * each / max(1, samples.own.total())
    print(f"\n  {'µs':>8}   a step, by file of ours and by library")
    for home, n in samples.homes.most_common(LINES):
        print(f"  {n * share:8.1f}   {home}")
    ours = {code: n for code, n in samples.below.items() if _place(code).startswith(ROOMS)}
    _print("by function", samples.own, samples, share)
    _print("by function of ours, with all that it calls", Counter(ours), samples, share)


def _print(what: str, found: Counter[CodeType], samples: Samples, share: float) -> None:
    print(f"\n  {'own µs':>8} {'with called':>12}   a step, {what}")
    for code, _ in found.most_common(LINES):
        own, below = samples.own[code] * share, samples.below[code] * share
        print(f"  {own:8.1f} {below:12.1f}   {_place(code)}")


def _home(code: CodeType) -> str | None:
    """Who answers for the time of a function; None: whoever called it."""
    place = _place(code).partition(":")[0]
    if place.startswith(ROOMS):
        return place
    if "site-packages" in code.co_filename or place.startswith(("asyncio/", "sqlite3/")):
        return place.partition("/")[0]
    return None


def _place(code: CodeType) -> str:
    parts = Path(code.co_filename).parts
    known = [i for i, part in enumerate(parts) if part in ("assay", "site-packages")]
    where = "/".join(parts[known[-1] + 1 :] if known else parts[-2:])
    return f"{where}:{code.co_firstlineno} {code.co_qualname}"
