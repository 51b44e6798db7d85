"""What is simulated, and what comes of it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

DAY = 86_400.0
SEQUENTIAL = 500.0  # writes a second into a range of index values that only grow
HEARD = 4_000.0  # messages a second that one process can take


@dataclass(frozen=True, slots=True)
class Setup:
    """Times in seconds, latencies in milliseconds: medians of what scatters by `scatter`."""

    workers: int = 1_000
    concurrency: int = 100
    per_day: float = 1_000_000
    load: float = 1.0
    window: float = 20.0  # executions arrive during it; it ends when they have
    swing: float = 1.0  # the busiest moment of the day has 1 + swing times the mean
    hour: float = 12.0  # when the window begins; the busiest is noon
    burst: int = 100  # executions at one moment
    burst_every: float = 20.0
    steps: int = 10
    step: float = 6.0
    slotted: float = 0.05  # share of the executions that need a slot
    keys: int = 50  # the k-th most wanted is wanted 1/k as much as the first
    limit: int = 50
    deaths: float = 24.0  # of one worker in a day, as on machines that may be taken back
    replaced: float = 30.0
    ttl: float = 15.0
    sweep: float = 2.0
    crew: float = 10.0  # more workers than so many share the sweeping
    rarest: float = 60.0  # between two sweeps of one worker
    patience: float = 5.0  # in which a sweep leaves an execution to the doorbell
    doorbell: bool = True
    unheard: float = 0.001  # share of the rings that get lost
    twice: float = 0.005
    get: float = 15.0
    query: float = 20.0
    commit: float = 30.0
    ring: float = 60.0
    scatter: float = 0.4
    document: float = 1.0  # writes a second that one document takes for long
    seed: int = 1


@dataclass(frozen=True, slots=True)
class Report:
    """Rates are per second of the window; delays and recovery in seconds."""

    executions: int
    arriving: float
    delay: tuple[float, float]
    lost: float
    late: float
    sweep_reads: float
    reads: float
    writes: float
    sequential: float
    hottest_key: float
    slot_conflicts: float
    heard: float
    most_driven: int
    deaths: int
    recovery: tuple[float, float]
    drained: float

    def breaks(self, setup: Setup) -> str:
        """Which limits are exceeded, the worst first."""
        used = {
            "events heard by a process that listens": self.heard / HEARD,
            "sequential index values": self.sequential / SEQUENTIAL,
            "the busiest slots document": self.hottest_key / setup.document,
            "room on the workers": self.most_driven / setup.concurrency,
        }
        over = sorted(((used[each], each) for each in used if used[each] >= 1), reverse=True)
        return ", ".join(f"{each} ({share:.1f}x)" for share, each in over) or "nothing"


def quantiles(of: list[float]) -> tuple[float, float]:
    """The median and the 99th percentile; zeros of nothing."""
    of = sorted(of) or [0.0]
    return of[len(of) // 2], of[min(len(of) - 1, int(len(of) * 0.99))]


ROWS: dict[str, Callable[[Report], str]] = {
    "executions": lambda r: f"{r.executions:,}",
    "arriving, /s": lambda r: f"{r.arriving:.0f}",
    "queue delay p50, s": lambda r: f"{r.delay[0]:.2f}",
    "queue delay p99, s": lambda r: f"{r.delay[1]:.2f}",
    "claims lost, per 100 executions": lambda r: f"{r.lost:.1f}",
    "claims come too late, per 100": lambda r: f"{r.late:.1f}",
    "reads by sweepers, /s": lambda r: f"{r.sweep_reads:,.0f}",
    "reads, /s": lambda r: f"{r.reads:,.0f}",
    "writes, /s": lambda r: f"{r.writes:,.0f}",
    "into one sequential index, /s": lambda r: f"{r.sequential:.0f}",
    "into the busiest slots document, /s": lambda r: f"{r.hottest_key:.2f}",
    "slots conflicts, per 100 executions": lambda r: f"{r.slot_conflicts:.1f}",
    "events heard by who listens, /s": lambda r: f"{r.heard:,.0f}",
    "most executions on one worker": lambda r: f"{r.most_driven}",
    "workers that died": lambda r: f"{r.deaths}",
    "recovery p50, s": lambda r: f"{r.recovery[0]:.1f}",
    "recovery p99, s": lambda r: f"{r.recovery[1]:.1f}",
    "last one ended after the window, s": lambda r: f"{r.drained:.0f}",
}
