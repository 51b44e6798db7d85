"""Workers and executions on Firestore and Pub/Sub, event by event.

What workers do is taken from the provider and the Firestore store. A step is no event: what
all steps of an execution write is counted when it begins.
"""

from __future__ import annotations

import heapq
import math
import random
from collections import Counter, deque
from collections.abc import Callable, Iterator
from itertools import count, islice

from .population import Execution, Grave, Key, Worker
from .scale import DAY, Report, Setup, quantiles

LISTED = 99  # executions that one sweep sees
LINGERS = 30.0  # seconds until a worker that left nothing may be forgotten
PATIENCE = 60  # tries of one commit that others come before


class Simulation:
    """Call `run` once; the executions can be looked at afterwards."""

    def __init__(self, setup: Setup) -> None:
        self.setup = setup
        self.executions: list[Execution] = []
        self.workers: list[Worker] = []
        self.deaths = 0
        self._random = random.Random(setup.seed)
        self._now = 0.0
        self._events: list[tuple[float, int, Callable[[], None]]] = []
        self._order = count()
        self._free: dict[Execution, None] = {}
        self._rings: deque[Execution] = deque()
        self._listeners: list[Worker] = []
        self._graves: list[Grave] = []
        self._keys = [Key(setup.limit) for _ in range(setup.keys)]
        self._wanted = [1 / (n + 1) for n in range(setup.keys)]
        self._counted: Counter[str] = Counter()
        self._delays: list[float] = []
        self._recovered: list[float] = []
        self._ended = self._expected = 0

    def run(self) -> Report:
        setup = self.setup
        for _ in range(setup.workers):
            self._start()
        arrivals = sorted(self._arrivals())
        self._expected = len(arrivals)
        for at in arrivals:
            self._at(at, self._arrive)
        while self._ended < self._expected:
            self._now, _, event = heapq.heappop(self._events)
            event()
        return self._report()

    # Time

    def _at(self, moment: float, event: Callable[[], None]) -> None:
        heapq.heappush(self._events, (moment, next(self._order), event))

    def _in(self, delay: float, event: Callable[[], None]) -> None:
        self._at(self._now + delay, event)

    def _takes(self, *medians: float) -> float:
        scatter = self.setup.scatter
        return sum(each * math.exp(self._random.gauss(0, scatter)) for each in medians) / 1000

    def _count(self, what: str, number: int = 1) -> None:
        if self._now < self.setup.window:
            self._counted[what] += number

    # Executions arrive, and end

    def _arrivals(self) -> Iterator[float]:
        setup = self.setup
        mean = setup.per_day / DAY * setup.load
        at, most = 0.0, mean * (1 + setup.swing)
        while (at := at + self._random.expovariate(most)) < setup.window:
            of_day = 2 * math.pi * (at / DAY + setup.hour / 24)
            if self._random.random() * most < mean * (1 - setup.swing * math.cos(of_day)):
                yield at
        begun = setup.burst_every / 2
        while setup.burst and begun < setup.window:
            yield from (begun for _ in range(round(setup.burst * setup.load)))
            begun += setup.burst_every

    def _arrive(self) -> None:
        setup, key = self.setup, None
        if self._random.random() < setup.slotted:
            (key,) = self._random.choices(self._keys, self._wanted)
        step = setup.step * math.exp(self._random.gauss(-0.125, 0.5))
        execution = Execution(len(self.executions), step, setup.steps, key)
        self.executions.append(execution)
        self._count("arrived")
        if key is None:
            self._in(self._takes(setup.commit), lambda: self._created(execution, True))
        else:
            self._change(key, lambda: self._enter(execution, key))

    def _enter(self, execution: Execution, key: Key) -> None:
        free = key.held < key.limit
        if free:
            key.held += 1
        else:
            key.waiting.append(execution)
        self._created(execution, free)

    def _created(self, execution: Execution, claimable: bool) -> None:
        self._count("write", 4)
        self._count("sequential", 2)  # into the range of one status, and out
        if not claimable:
            return
        self._offer(execution)

    def _offer(self, execution: Execution) -> None:
        execution.claimable = self._now
        self._free[execution] = None
        if self.setup.doorbell and self._random.random() >= self.setup.unheard:
            self._in(self._takes(self.setup.ring), lambda: self._ring(execution))
            if self._random.random() < self.setup.twice:
                self._in(self._takes(self.setup.ring), lambda: self._ring(execution))

    def _finish(self, worker: Worker, execution: Execution) -> None:
        if execution.worker is not worker or not worker.alive:
            return
        key = execution.key
        if key is None:
            self._end(worker, execution)
        else:
            self._change(key, lambda: self._leave(worker, execution, key))

    def _leave(self, worker: Worker, execution: Execution, key: Key) -> None:
        if execution.worker is not worker or not worker.alive:
            return
        key.held -= 1
        while key.waiting and key.held < key.limit:
            key.held += 1
            self._offer(key.waiting.popleft())
            self._count("write")
        self._end(worker, execution)

    def _end(self, worker: Worker, execution: Execution) -> None:
        execution.drives.append((worker.number, execution.since, self._now))
        execution.ends += 1
        execution.worker = None
        execution.version += 1
        self._ended += 1
        del worker.driving[execution]
        worker.freed = True
        if not worker.sweeping:
            self._sweep(worker)
        self._listen(worker)

    def _change(self, key: Key, change: Callable[[], None], tries: int = 0) -> None:
        """Read the key's document, and write it back unless it has changed meanwhile."""
        self._count("read")
        seen = key.version

        def write() -> None:
            if self._now < key.free_at:
                self._at(key.free_at, write)
            elif key.version == seen:
                key.version += 1
                if self._now < self.setup.window:
                    key.writes += 1
                key.free_at = self._now + 1 / self.setup.document
                self._count("write")
                change()
            else:
                self._count("slot conflict")
                pause = self._random.uniform(0, min(0.002 * 2**tries, 0.25))
                again = (tries + 1) % PATIENCE  # its caller tries it again
                self._in(pause, lambda: self._change(key, change, again))

        self._in(self._takes(self.setup.get, self.setup.commit), write)

    # Workers

    def _start(self) -> None:
        worker = Worker(len(self.workers))
        self.workers.append(worker)
        begun_now = self.setup.sweep if self._now else self._period
        self._in(self._random.uniform(0, begun_now), lambda: self._sweep(worker))
        if self.setup.deaths:
            life = self._random.expovariate(self.setup.deaths / DAY)
            self._in(life, lambda: self._die(worker))
        self._listen(worker)

    def _die(self, worker: Worker) -> None:
        worker.alive = False
        self.deaths += 1
        beat = self._random.uniform(0, self.setup.ttl / 4)
        silent = self._now - beat + self.setup.ttl
        self._graves.append(Grave(worker, silent, silent))
        for execution in worker.driving:
            done = int((self._now - execution.since) / execution.step)
            execution.left -= min(done, execution.left)
            execution.drives.append((worker.number, execution.since, self._now))
            execution.orphaned = self._now
        self._in(self.setup.replaced, self._start)

    def _has_room(self, worker: Worker) -> bool:
        return len(worker.driving) + worker.taking < self.setup.concurrency

    def _listen(self, worker: Worker) -> None:
        """Ask for a ring, unless it has asked already or has its hands full."""
        if not self.setup.doorbell or worker.listening or not self._has_room(worker):
            return
        if self._rings:
            self._hear(worker, self._rings.popleft())
        else:
            worker.listening = True
            self._listeners.append(worker)

    def _ring(self, execution: Execution) -> None:
        while self._listeners:
            chosen = self._random.randrange(len(self._listeners))
            worker, self._listeners[chosen] = self._listeners[chosen], self._listeners[-1]
            self._listeners.pop()
            worker.listening = False
            if worker.alive and self._has_room(worker):
                self._hear(worker, execution)
                return
        self._rings.append(execution)

    def _hear(self, worker: Worker, execution: Execution) -> None:
        self._take(worker, execution, lambda _: self._listen(worker))

    def _sweep(self, worker: Worker) -> None:
        if not worker.alive:
            return
        worker.sweeping, worker.freed = True, False
        # Three queries, two of them together; what they find is as of the end.
        self._in(self._takes(self.setup.query, self.setup.query), lambda: self._swept(worker))

    def _swept(self, worker: Worker) -> None:
        if not worker.alive:
            return
        found = list(islice(self._free, LISTED))
        reads = max(1, len(found)) + 2
        if self.setup.doorbell:
            found = [each for each in found if self._now - each.claimable > self.setup.patience]
        worker.unsure = False
        for grave in list(self._graves):
            if self._now < grave.at:
                continue
            dead = grave.worker
            reads += 1
            first = worker.suspects.setdefault(dead.number, self._now)
            if grave.at == grave.silent and self._now - first < self.setup.ttl / 4:
                worker.unsure = True
                continue
            left = list(dead.driving)
            found += left
            reads += 2 * len(left) + 1 if left else 2
            if not left:
                self._bury(grave)
        self._count("sweep read", reads)
        self._count("read", reads)
        self._take_each(worker, deque(found))

    def _bury(self, grave: Grave) -> None:
        """Note that nothing is left; when that was so for long, it is forgotten."""
        self._count("write")
        last_beat = grave.silent - self.setup.ttl
        if self._now - last_beat > max(2 * self.setup.ttl, LINGERS):
            self._graves.remove(grave)
        else:
            grave.at = self._now + self.setup.ttl

    @property
    def _period(self) -> float:
        """Between two sweeps of one worker, on average."""
        setup = self.setup
        shared = setup.sweep * max(1.0, setup.workers / setup.crew)
        return min(shared, max(setup.sweep, setup.rarest))

    def _take_each(self, worker: Worker, found: deque[Execution]) -> None:
        if not worker.alive:
            return
        while found and found[0] in worker.driving:
            found.popleft()
        if found and self._has_room(worker):
            self._take(worker, found.popleft(), lambda taken: self._next(worker, found, taken))
            return
        worker.sweeping = False
        if worker.freed:
            self._sweep(worker)
        else:
            soon = max(self.setup.sweep, self.setup.ttl / 4)
            period = min(self._period, soon) if worker.unsure else self._period
            delay = period * self._random.uniform(0.5, 1.5)
            worker.swept = swept = worker.swept + 1
            self._in(delay, lambda: swept == worker.swept and self._sweep(worker))

    def _next(self, worker: Worker, found: deque[Execution], taken: bool) -> None:
        """The next of a sweep; where another goes through the same list, one further on."""
        if not taken:
            for _ in range(self._random.randint(0, len(found) // 2)):
                found.popleft()
        self._take_each(worker, found)

    def _take(self, worker: Worker, execution: Execution, then: Callable[[bool], None]) -> None:
        """Its row, its lease and fence; its inbox; then compare and set."""
        worker.taking += 1
        self._count("read", 3)

        def over(taken: bool = False) -> None:
            worker.taking -= 1
            if worker.alive:
                then(taken)

        def look() -> None:
            holder = execution.worker
            if execution.ends or (holder is not None and holder.alive):
                self._count("late")
                self._count("read")
                self._in(self._takes(self.setup.get), over)
                return
            seen = execution.version
            delay = self._takes(self.setup.query, self.setup.commit)
            self._in(delay, lambda: self._claim(worker, execution, seen, over))

        self._in(self._takes(self.setup.get, self.setup.get), look)

    def _claim(
        self, worker: Worker, execution: Execution, seen: int, over: Callable[..., None]
    ) -> None:
        self._count("read")
        if execution.version != seen:
            self._count("lost")
            self._count("read", 3)
            self._in(self._takes(self.setup.get, self.setup.get), over)
        elif worker.alive:
            self._drive(worker, execution)
            over(taken=True)

    def _drive(self, worker: Worker, execution: Execution) -> None:
        execution.version += 1
        self._count("write", 2)
        self._count("read", 3)  # the inbox, the journal, its end
        if execution.worker is None:
            self._count("write", 6 * execution.left + 11)  # here, for the window is short
            self._count("event", 2 * execution.left + 3)
            self._delays.append(self._now - execution.claimable)
            self._free.pop(execution)
        else:
            del execution.worker.driving[execution]
            self._recovered.append(self._now - execution.orphaned)
        execution.worker, execution.since = worker, self._now
        worker.driving[execution] = None
        worker.most = max(worker.most, len(worker.driving))
        lasts = execution.left * (execution.step + self.setup.commit / 1000)
        self._in(lasts, lambda: self._finish(worker, execution))

    def _report(self) -> Report:
        setup, counted = self.setup, self._counted
        rate = {what: number / setup.window for what, number in counted.items()}
        arrived = max(1, counted["arrived"])
        heard = rate.get("event", 0.0)
        return Report(
            executions=len(self.executions),
            arriving=arrived / setup.window,
            delay=quantiles(self._delays),
            lost=100 * counted["lost"] / arrived,
            late=100 * counted["late"] / arrived,
            sweep_reads=rate.get("sweep read", 0.0) + setup.workers / 60,  # how many there are
            reads=rate.get("read", 0.0)
            + min(setup.workers, len(self.executions))
            + setup.workers / 60,
            writes=rate.get("write", 0.0) + setup.workers * 4 / setup.ttl,
            sequential=rate.get("sequential", 0.0),
            hottest_key=max((key.writes for key in self._keys), default=0) / setup.window,
            slot_conflicts=100 * counted["slot conflict"] / arrived,
            heard=heard,
            most_driven=max(worker.most for worker in self.workers),
            deaths=self.deaths,
            recovery=quantiles(self._recovered),
            drained=self._now - setup.window,
        )
