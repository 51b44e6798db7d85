"""Random commands from the pieces of the shell: whatever is placed, no value is ever executed.

`ASSAY_FUZZ_SECONDS=300` searches longer, `ASSAY_FUZZ_SEED=7` elsewhere."""

from __future__ import annotations

import os
import random
import re
import select
import signal
import subprocess
import time
from collections import Counter
from typing import TYPE_CHECKING

from assay.graphs.shell import invocation, place

if TYPE_CHECKING:
    from pathlib import Path

    from assay.graphs.shell import Invocation, Placement

SECONDS = float(os.environ.get("ASSAY_FUZZ_SECONDS", "5"))
SEED = int(os.environ.get("ASSAY_FUZZ_SEED", "20260101"))

# HOLE is a value between marks, so that a probe can tell whether it arrived as it was.
HOLE, BARE_HOLE = "\ue000", "\ue001"

SOUP = [
    *[HOLE, BARE_HOLE] * 9,
    *["probe ", "probe ", "probe '", 'probe "', " ", " ", " ", "\n", "\n", "; ", "; "],
    *["'", "'", '"', '"', "$(", "$(", ")", ")", "`", "${A", "${A:-", "${A#", "}", "}", "$((", "))"],
    *["((", "$[", "]", "[", "[[ ", " ]]", "{ ", "; }", "( ", " )", "\\", "\\\n", "#", " # ", "$"],
    *[
        "$'",
        '$"',
        "<(",
        ">(",
        "< ",
        "> ",
        ">> ",
        "<<< ",
        ">&",
        "<&",
        "2>&1 ",
        "&> ",
        "3> ",
        "{fd}>",
    ],
    *["<<EOF\n", "<<'EOF'\n", "<<-EOF\n", '<<"E F"\n', "\nEOF\n", "\n\tEOF\n", "\nE\\\nOF\n"],
    *["A=", "A+=", "A=(", "A[0]=", "A[", "B=", "export B=", "export ", "readonly C=", "local D="],
    *["if ", "then ", "else ", "elif ", "fi", "while ", "until ", "for f in ", "for f ", "do "],
    *["done", "case ", " in ", ";;", ";&", "esac", "x) ", "(x) ", "|x) ", "*) ", "select s in "],
    *["f() ", "function f ", "f ", "! ", "time ", "coproc ", "eval ", "test ", "[ ", " ]", " = "],
    *[" == ", " =~ ", " -eq ", " -v ", " -n ", " -a ", " && ", " || ", " | ", " & ", "|& "],
    *[
        "printf ",
        "printf -v V ",
        "read -r V ",
        "echo ",
        "cat ",
        "set -- ",
        "trap ",
        "let ",
        "declare ",
    ],
    *[
        "unset ",
        "exec ",
        "command ",
        "builtin ",
        "env ",
        "xargs ",
        "sh -c '",
        "sed ",
        "awk ",
    ],
    *["source ", ". ", "wait ", "@(", "!(", "*(", "~", "*", "?", "=", "+", "{a,", ",b}", "x", "1"],
    *["$A", "$@", "$$", "true ", "false ", "cd ", "exit ", "é", "\t", "$((1))", "declare -i A; "],
]

WORDS = [
    HOLE,
    BARE_HOLE,
    '"$W"',
    "'$W'",
    "x$W",
    '"a $W b"',
    "'a $W b'",
    "$'a\\t$W'",
    '$"$W"',
    "$(C)",
    '"$(C)"',
    '"a$(C)b"',
    "<(C)",
    "`C`",
    "${A:-$W}",
    "\"${A:-'}'}\"",
    '"${A-"x"}"',
    "${A}",
    "$A",
    "\\$W",
    "$((1 + 1))",
    "a\\\nb",
    "*",
    "é",
    "--x=$W",
    '"\\"$W\\""',
    "'it'\\''s $W'",
    "{a,$W}",
]
COMMANDS = [
    *["probe $W $W"] * 6,
    "probe $W; C",
    "A=$W",
    "A+=$W probe $W",
    "A=($W $W)",
    "A=([1]=$W\n $W # x '$W\n)",
    "A[1]=$W",
    "export B=$W",
    "{ C; }",
    "( C )",
    "(C) | C",
    "if C; then C; else C; fi",
    "if [[ $W == $W ]]; then C; fi",
    "[[ $W =~ ^(a|b) && ! ( -n $W || $W < x ) ]] || C",
    "[ $W = $W ] || C",
    "test -n $W && C",
    "for f in $W $W; do C; done",
    "for f in $W\ndo\nC\ndone > /dev/null",
    "for ((i=0; i<1; i++)); do C; done",
    "case $W in $W) C;; (a|$W) C;& *) C;; esac",
    "case $W in\n# it's $W\nx) C\nesac",
    "while C; do C; break; done <<< $W",
    "f() { C; }; f $W",
    "function g { C\n}\ng $W",
    "! C",
    "time -p C",
    "C && C || C",
    "C | C",
    "C # don't $W",
    'cat <<EOF\nit\'s $W \\$W "$W" $A\n\\\nEOF',
    "cat <<'EOF'\nit's $W \\$A `x` $(x) $W \\\nEOF",
    "cat <<-EOF | C\n\t$W\n\tEOF",
    "probe $W <<EOF $W\n$W \\\\\nEOF",
    "cat <<A; cat <<'B'\n$W\nA\n$W\nB",
    "probe $W > out 2>&1",
    "cat < $W",
    "printf '%s' $W",
    "command probe $W",
    "env A=$W printf x",
    'set -- $W; probe "$1"',
    "((1)) && C",
    "probe \\\n $W \\\n  $W",
    "C &",
    "cd $W || C",
    "declare -i N; C",
    'read -r V <<< $W; probe "$V"',
    "printf -v V %s $W; C",
    "bash -c 'probe \"$1\"' _ $W",
    "find . -maxdepth 0 -name $W -exec printf %s {} \\;",
    "sed -n p -- $W",
    "timeout 1 true $W",
]
# Commands that would run a value, were they placed.
TRAPS = [
    "$W",
    "$(echo $W)",
    "A=$W $W",
    "> out $W",
    "if $W; then C; fi",
    "case x in x) $W;; esac",
    "[[ $W -eq $W ]] && C",
    "[[ -v $W ]] || C",
    "[ $W $W ]",
    "[ $(echo $W) = x ]",
    "A[$W]=1",
    "A=([$W]=1)",
    "OPTIND=$W",
    "declare -i N; N=$W",
    ": $(($W)) ${A[$W]} ${A:$W}",
    "((A=$W))",
    "for ((i=$W; i<1; i++)); do C; done",
    "C >&$W",
    "cat <<EOF\n$W `echo $W` ${A:-$W}\nEOF",
    "echo `$W`",
    "echo ${A:-$(eval $W)}",
    "eval $W",
    "exec $W",
    "trap $W EXIT",
    "unset $W",
    "read -r $W <<< x",
    "printf -v $W x",
    "printf $W x y",
    "compgen -W $W",
    "wait -p $W",
    "export $W",
    "readonly -a B=$W",
    "local B=$W",
    "f() { local -a B=$W; }; f",
    "bash -c $W",
    "env bash -c $W",
    "echo $W | sh",
    "sh <<EOF\n$W\nEOF",
    "sh <<< $W",
    "env $W",
    "timeout 1 $W",
    "timeout $(echo $W) true",
    "command $W",
    "find . -maxdepth 0 -exec $W \\;",
    "sed -n $W /dev/null",
    "sed -n p $W",
    "awk $W",
    "coproc N { $W; }",
    "set -x; PS4=$W; C",
]

VALUES = [
    "$(>CANARY)",
    "`>CANARY`",
    *["a[$(>CANARY)]", "canary", "-v"] * 15,
    "x[a[$(>CANARY)]]",
    "A[$(>CANARY)]=2",
    "[$(>CANARY)]=1",
    "([$(>CANARY)]=1)",
    ";canary;",
    "\ncanary\n",
    "canary",
    "'$(>CANARY)'",
    '"$(>CANARY)"',
    "'; canary; '",
    '"; canary; "',
    "x) canary;; y",
    "\nEOF\ncanary\n",
    "}; canary; {",
    ") ; canary; (",
    "& canary &",
    "| canary",
    "-v",
    "-p",
    "-c",
    "eval",
    "canary=1",
    "V=$(>CANARY)",
    "e canary",
    "1e canary",
    "\\",
    "\\'",
    "*",
    "a  b\t",
    "",
    "é\n",
    "]] ; canary; [[",
    "))canary",
    "!canary",
    "{canary,x}",
    "~",
    "=",
    "-eq",
    "(",
    "!",
]


def test_random_commands_never_execute_a_value(tmp_path: Path) -> None:
    """A command that is placed without a word of warning runs no value and changes none."""
    chance = random.Random(SEED)
    yard = Yard(tmp_path)
    tally = Counter[str]()
    stop = time.monotonic() + SECONDS
    while time.monotonic() < stop:
        template = soup(chance) if chance.random() < 0.5 else command(chance)
        tally["generated"] += 1
        parts = split(template if chance.random() < 0.5 else template.replace(HOLE, BARE_HOLE))
        placement = place(parts)
        if placement.problems or not placement.holes:
            warned = "warned" if placement.problems else "without a value"
            tally["refused" if placement.refused else warned] += 1
            continue
        count = sum(isinstance(part, int) for part in parts)
        values = [chance.choice(VALUES).replace("CANARY", str(yard.canary)) for _ in range(count)]
        tally["placed"] += 1
        tally[yard.run(placement, values)] += 1
    print("", ", ".join(f"{count} {what}" for what, count in tally.items()))  # noqa: T201 - the counts are what a long search is for
    assert tally["ran"] > 20 * min(SECONDS, 20)
    assert yard.arrived > 10 * min(SECONDS, 20)


def soup(chance: random.Random) -> str:
    pieces = [chance.choice(SOUP) for _ in range(chance.randint(1, 13))]
    pieces.insert(chance.randint(0, len(pieces)), chance.choice([HOLE, BARE_HOLE]))
    return "".join(pieces)


def command(chance: random.Random) -> str:
    """Return a well-formed command, sometimes with a piece dropped, doubled or put in."""
    text = _grown(chance, "C\n" * chance.randint(1, 2), chance.randint(2, 8))
    if chance.random() < 0.4:
        at = chance.randrange(len(text) + 1)
        cut = chance.randint(0, 2)
        text = text[:at] + chance.choice(["", chance.choice(SOUP)]) + text[at + cut :]
    return text


def _grown(chance: random.Random, text: str, steps: int) -> str:
    for _ in range(steps):
        text = _replaced(chance, text, TRAPS if chance.random() < 0.2 else COMMANDS)
    text = re.sub(r"\bC\b", lambda _: f"probe {HOLE}", text)
    for _ in range(2):
        text = re.sub(r"\$W", lambda _: chance.choice(WORDS), text)
    text = re.sub(r"\bC\b", lambda _: f"probe {HOLE}", text)
    return text.replace("$W", HOLE)


def _replaced(chance: random.Random, text: str, choices: list[str]) -> str:
    found = list(re.finditer(r"\bC\b", text))
    if not found:
        return text
    one = chance.choice(found)
    return text[: one.start()] + chance.choice(choices) + text[one.end() :]


def split(template: str) -> list[str | int]:
    parts: list[str | int] = []
    number = 0
    for piece in re.split(f"([{HOLE}{BARE_HOLE}])", template):
        if piece == HOLE:
            parts += [f"L{number}:", number, ":R"]
        elif piece == BARE_HOLE:
            parts.append(number)
        else:
            parts.append(piece)
            continue
        number += 1
    return parts


class Yard:
    """A folder to run commands in, with a program `canary` that tells when it was started."""

    def __init__(self, folder: Path) -> None:
        self.canary = folder / "sang"
        self.out = folder / "out"
        self.work = folder / "work"
        self.errors = folder / "errors"
        self.arrived = 0
        self.work.mkdir()
        self.out.mkdir()
        programs = folder / "bin"
        programs.mkdir()
        (programs / "canary").write_text(f"#!/bin/sh\n>{self.canary}\n")
        (programs / "canary").chmod(0o755)
        # One file for each process: bash writes line by line, and commands run side by side.
        probe = "() {  printf '%s\\0' \"$@\" >> " + str(self.out) + "/$BASHPID\n}"
        self.env = {"PATH": f"{programs}:/usr/bin:/bin", "LC_ALL": "C.UTF-8"}
        self.env["BASH_FUNC_probe%%"] = probe
        self.runs = 0

    def run(self, placement: Placement, values: list[str]) -> str:
        """Run a placed command; fail if a value sang, or reached a probe changed."""
        self.runs += 1
        self._sweep()
        ready = invocation(placement, values, step_id="fuzz", directory=self.work)
        errors = self._process(ready)
        told = f"{placement}\nvalues: {values}\n{errors}"
        assert not self.canary.exists(), f"a value was executed:\n{told}"
        records = b"".join(path.read_bytes() for path in self.out.iterdir())
        for record in records.split(b"\0"):
            whole = re.fullmatch(rb"L(\d+):(.*):R", record, re.DOTALL)
            if whole and b":R" not in whole[2]:
                assert whole[2] == values[int(whole[1])].encode(), f"{record!r} arrived:\n{told}"
                self.arrived += 1
        unparsed = re.search(r"syntax error|unexpected (EOF|argument|token)", errors)
        return "not parsed by bash" if unparsed else "ran"

    def _process(self, ready: Invocation) -> str:
        """Run to the end, or for two seconds; kill what is left of it; return its messages."""
        with self.errors.open("wb") as errors:
            process = subprocess.Popen(
                ready.argv,
                env={**self.env, **ready.env},
                cwd=self.work,
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,
                stderr=errors,
                start_new_session=True,
            )
            # Not `wait`: until the leader is reaped, its group cannot become someone else's.
            ended = os.pidfd_open(process.pid)
            select.select([ended], [], [], 2)
            os.close(ended)
            os.killpg(process.pid, signal.SIGKILL)
            process.wait()
        return self.errors.read_text(errors="replace")

    def _sweep(self) -> None:
        for path in (*self.work.iterdir(), *self.out.iterdir()):
            if path.is_file() or path.is_symlink():
                path.unlink()
