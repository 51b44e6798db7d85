"""Random workflows of steps that take their time, say something, fail, wait and ask."""

from __future__ import annotations

from collections.abc import Mapping
from random import Random
from typing import Any

# A line separator in it is none in a stream of events.
_WORDS = "one \u2028 two\r three"


def workflow(name: str, rng: Random, parts: int) -> Mapping[str, Any]:
    """A definition with an approval in it somewhere, and a loop."""
    kinds = [rng.choice(_PARTS) for _ in range(parts)]
    for kind in (_approval, _loop):
        kinds[rng.randrange(parts)] = kind
    return {
        "name": name,
        "context": {"mutable": {"count": 0}},
        "steps": [kind(f"p{number}", rng) for number, kind in enumerate(kinds)],
    }


def mark(name: str) -> Mapping[str, Any]:
    """What begins first and ends last: whoever has heard its end has heard everything."""
    return {"name": name, "steps": [{"id": "end", "type": "approval", "message": "The end?"}]}


def _set(id: str, rng: Random) -> dict[str, Any]:
    return {"id": id, "type": "set", "values": {"count": "{{ context.count + 1 }}"}}


def _python(id: str, rng: Random) -> dict[str, Any]:
    inputs = {"value": _WORDS, "takes": round(rng.uniform(0, 0.3), 3)}
    return {"id": id, "type": "python", "function": "work", "inputs": inputs}


def _shell(id: str, rng: Random) -> dict[str, Any]:
    lines = rng.randint(1, 20)
    return {"id": id, "type": "shell", "command": f"for n in $(seq {lines}); do echo $n; done"}


def _flaky(id: str, rng: Random) -> dict[str, Any]:
    """Fails a few times, with a text that is not easy to carry."""
    return {
        "id": id,
        "type": "shell",
        "command": f"echo x >> {id}; printf 'a\\u2028b\\r' >&2; test $(wc -l < {id}) -ge 3",
        "retry": {"attempts": 9, "delay": "20ms", "jitter": False},
    }


def _softly(id: str, rng: Random) -> dict[str, Any]:
    return {"id": id, "type": "shell", "command": "exit 3", "on_error": "skip"}


def _sleep(id: str, rng: Random) -> dict[str, Any]:
    return {"id": id, "type": "sleep", "duration": f"{rng.randint(50, 900)}ms"}


def _approval(id: str, rng: Random) -> dict[str, Any]:
    return {"id": id, "type": "approval", "message": f"Go on behind {id}?"}


def _loop(id: str, rng: Random) -> dict[str, Any]:
    return {
        "id": id,
        "type": "loop",
        "until": f"iteration >= {rng.randint(1, 4)}",
        "max_iterations": 9,
        "steps": [_set(f"{id}a", rng), _python(f"{id}b", rng)],
    }


def _foreach(id: str, rng: Random) -> dict[str, Any]:
    return {
        "id": id,
        "type": "foreach",
        "items": "[1, 2, 3, 4, 5]",
        "concurrency": rng.randint(1, 5),
        "steps": [_python(f"{id}a", rng)],
    }


def _parallel(id: str, rng: Random) -> dict[str, Any]:
    kinds = [_python, _shell, _sleep, _softly]
    return {
        "id": id,
        "type": "parallel",
        "steps": [rng.choice(kinds)(f"{id}{letter}", rng) for letter in "abc"],
    }


_PARTS = (_set, _python, _shell, _flaky, _softly, _sleep, _loop, _foreach, _parallel)
