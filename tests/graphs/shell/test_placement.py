"""A value reaches a command as it is, wherever it stands; where it cannot, it is refused."""

from __future__ import annotations

import re
import subprocess
from typing import TYPE_CHECKING

import pytest

from assay.graphs.shell import Misplaced, invocation, place

if TYPE_CHECKING:
    from pathlib import Path

from .places import ACCEPTED, REFUSED, UNREADABLE, WARNED

NASTY = [
    "plain",
    "",
    " ",
    "two  words",
    "\ttab\t",
    "trailing newline\n\n",
    "\nleading newline",
    "it's",
    'a "quoted" one',
    "'; touch pwned; '",
    '"; touch pwned; "',
    "; rm -rf .",
    "&& touch pwned",
    "| touch pwned",
    "$(touch pwned)",
    "`touch pwned`",
    "${HOME}",
    "$HOME $1 $$",
    "a[$(touch pwned)]",
    "* ? [a-z]",
    "~",
    "~root/x",
    "{a,b}",
    "!history!",
    "-n",
    "-e \\n",
    "--help",
    "# no comment",
    "\\",
    "\\n\\t\\\\",
    "ends in \\",
    "\r\n",
    "\x01\x02\x7f\x1b[31m",
    "grüße, 世界 \U0001f600 e\u0301",
    "EOF\n",
    "x\nEOF\ntouch pwned\n",
    "=",
    "(",
    "))",
    "]]",
    ";;",
    "esac",
    "%s %d %n \\c",
    "A=b",
    "{{ inputs.x }}",
    "${ASSAY_0}",
]

# Each prints the value once, between brackets.
PRINTED = {
    "bare": "printf '[%s]' {{x}}",
    "bare beside text": "printf '%s' [{{x}}]",
    "double quotes": 'printf "%s" "[{{x}}]"',
    "double quotes after a variable": 'E=; printf "%s" "$E[{{x}}]"',
    "single quotes": "printf %s '[{{x}}]'",
    "ANSI quotes": "printf %s $'\\x5b{{x}}]'",
    "locale quotes": 'printf %s $"[{{x}}]"',
    "continued line": "printf \\\n  %s \\\n  [{{x}}]",
    "comment with a quote above": "# it's {{x}} $(\nprintf '[%s]' {{x}}",
    "assignment": "A={{x}}; printf '[%s]' \"$A\"",
    "assignment in double quotes": 'A="{{x}}"; printf \'[%s]\' "$A"',
    "assignment that appends": "A=; A+={{x}}; printf '[%s]' \"$A\"",
    "assignment before a command": 'A={{x}} bash -c \'printf "[%s]" "$A"\'',
    "exported": "export A={{x}}; printenv A | { printf '['; head -c -1; printf ']'; }",
    "element of an array": 'A=(1 {{x}} # it\'s\n 3); printf "[%s]" "${A[1]}"',
    "numbered element": "A[1]={{x}}; printf '[%s]' \"${A[1]}\"",
    "function": "f() { printf '[%s]' \"$1\"; }; f {{x}}",
    "function of the other kind": "function f {\n  printf '[%s]' \"$1\"\n}\nf {{x}}",
    "positional": "set -- {{x}}; printf '[%s]' \"$1\"",
    "for": "for f in {{x}}; do printf '[%s]' \"$f\"; done",
    "for over lines": "for f in {{x}}\ndo\n  printf '[%s]' \"$f\"\ndone",
    "case": "case {{x}} in {{x}}) printf '[%s]' {{x}};; *) false;; esac",
    "case among others": "case a{{x}} in\n  (b|a{{x}}) printf '[%s]' {{x}} ;;\nesac",
    "if": "if [ {{x}} = {{x}} ]; then printf '[%s]' {{x}}; else false; fi",
    "double brackets": "if [[ {{x}} == {{x}} && a{{x}} != {{x}} ]]; then printf '[%s]' {{x}}; fi",
    "regular expression": "[[ 'a' =~ ^(a|b)$ || x = {{x}} ]] && printf '[%s]' {{x}}",
    "group": "{ printf '[%s]' {{x}}; }",
    "subshell": "( printf '[%s]' {{x}} )",
    "subshell in a subshell": "( ( printf '[%s]' {{x}} ) )",
    "pipe": "printf '[%s]' {{x}} | cat",
    "and": "true && ! false && printf '[%s]' {{x}}",
    "background": "printf '[%s]' {{x}} & wait",
    "substitution": "printf %s \"$(printf '[%s]' {{x}})\"",
    "substitution in quotes": 'printf %s "$(printf %s "[{{x}}]")"',
    "substitution with a case": 'printf %s "$(case a in a) printf %s "[{{x}}]";; esac)"',
    "process": "cat <(printf '[%s]' {{x}})",
    "here-document": "cat <<EOF | head -c -1\n[{{x}}]\nEOF",
    "here-document with expansions": "E=; cat <<EOF | head -c -1\n$E`true`[{{x}}]\nEOF",
    "quoted here-document": "cat <<'EOF' | head -c -1\n[{{x}}]\nEOF",
    "indented here-document": "cat <<-EOF | head -c -1\n\t[{{x}}]\n\tEOF",
    "two here-documents": "cat <<A >/dev/null; cat <<'B' | head -c -1\n{{x}}\nA\n[{{x}}]\nB",
    "here-document and its line": "cat <<EOF >/dev/null; printf '[%s]' {{x}}\n{{x}}\nEOF",
    "here-string": "cat <<<[{{x}}] | head -c -1",
    "xargs": "printf a | xargs -I@@ printf '[%s]' {{x}}",
    "program text of its own": 'bash -c \'printf "[%s]" "$1"\' _ {{x}}',
    "python": 'python3 -c \'import sys; sys.stdout.buffer.write(b"[%b]" % '
    'sys.argv[1].encode("utf-8", "surrogateescape"))\' {{x}}',
    "env": "env -u B printf '[%s]' {{x}}",
}


def split(template: str) -> list[str | int]:
    """Number the holes of a template from 0."""
    texts = template.split("{{x}}")
    parts: list[str | int] = []
    for number, text in enumerate(texts):
        parts += [text, number]
    return [part for part in parts[:-1] if part != ""]


def run(template: str, value: str, folder: Path) -> subprocess.CompletedProcess[bytes]:
    placement = place(split(template))
    assert not placement.refused, placement.problems
    values = [value] * template.count("{{x}}")
    ready = invocation(placement, values, step_id="step", directory=folder)
    env = {"PATH": "/usr/local/bin:/usr/bin:/bin", "LC_ALL": "C.UTF-8", **ready.env}
    return subprocess.run(ready.argv, env=env, cwd=folder, capture_output=True, timeout=60)


@pytest.mark.parametrize("template", PRINTED.values(), ids=PRINTED)
def test_a_value_arrives_byte_for_byte(template: str, tmp_path: Path) -> None:
    for value in NASTY:
        done = run(template, value, tmp_path)
        told = f"{value!r} in {place(split(template)).script}: {done.stderr.decode()}"
        assert done.stdout == f"[{value}]".encode(), told
    assert not (tmp_path / "pwned").exists()


@pytest.mark.parametrize("template", [t for each in REFUSED.values() for t in each])
def test_a_place_that_would_run_a_value_is_refused(template: str) -> None:
    problems = [problem for problem in place(split(template)).problems if not problem.warning]
    assert problems
    assert all(problem.hole is not None for problem in problems)
    assert all("`env:`" in problem.message for problem in problems)


@pytest.mark.parametrize("template", UNREADABLE)
def test_a_command_that_cannot_be_read_is_refused(template: str) -> None:
    messages = [problem.message for problem in place(split(template)).problems]
    assert UNREADABLE[template] in messages


@pytest.mark.parametrize("template", WARNED)
def test_a_value_that_may_reach_evaluation_is_warned_of(template: str) -> None:
    (problem,) = place(split(template)).problems
    assert problem.warning
    assert problem.hole == 0


@pytest.mark.parametrize("template", ACCEPTED)
def test_a_plain_command_is_taken_without_a_word(template: str) -> None:
    assert place(split(template)).problems == ()


@pytest.mark.parametrize("template", [t for t in ACCEPTED if "exec >" not in t])
def test_what_is_placed_is_still_bash(template: str) -> None:
    script = place(split(template)).script
    assert subprocess.run(["bash", "-n", "-c", script], capture_output=True).stderr == b""


def test_every_problem_is_told_with_its_place() -> None:
    """Positions count within the part; the place of a hole is its own part."""
    placement = place(["echo a; ", 0, "\necho $((", 1, ")) 'b"])
    assert [(p.hole, p.part, p.offset, p.warning) for p in placement.problems] == [
        (0, 1, 0, False),
        (1, 3, 0, False),
        (None, 4, 3, False),
    ]


def test_a_warning_does_not_refuse() -> None:
    placement = place(["N=", 7, "; echo $((N))"])
    assert placement.problems[0].hole == 7
    assert not placement.refused
    assert placement.script == 'N="${ASSAY_7}"; echo $((N))'


def test_a_value_in_a_comment_is_dropped() -> None:
    placement = place(["a # ", 0, "\nb ", 1])
    assert placement.script == 'a # \nb "${ASSAY_1}"'
    assert placement.holes == (1,)


def test_one_value_may_stand_in_many_places() -> None:
    placement = place(["a ", 0, ' "', 0, '"'])
    assert placement.script == 'a "${ASSAY_0}" "${ASSAY_0}"'
    assert placement.holes == (0,)


def test_a_quoted_here_document_keeps_its_text(tmp_path: Path) -> None:
    body = '$HOME `id` $(id) \\\\ \\$ \\\nit\'s "{{x}}"\\\n'
    done = run(f"cat <<'EOF'\n{body}EOF\n", "\\$x", tmp_path)
    assert done.stdout == body.replace("{{x}}", "\\$x").encode()


def test_a_joined_line_is_no_end_of_a_here_document(tmp_path: Path) -> None:
    done = run("cat <<EOF\na\\\nEOF\n{{x}}\nE\\\nOF\nprintf %s {{x}}", "b", tmp_path)
    assert done.stdout == b"aEOF\nb\nb"


def test_a_command_without_values_is_left_alone() -> None:
    text = "eval 'unclosed; coproc `$((\\"
    assert place([text]).script == text
    assert place([text]).problems == ()


@pytest.mark.parametrize("bad", ["\0", "\ud800", "x" * 120_001])
def test_a_text_that_no_shell_takes_is_refused(bad: str) -> None:
    (problem,) = place(["echo ", 0, bad]).problems
    assert problem.hole is None
    assert not problem.warning


@pytest.mark.timeout(10)
def test_a_long_pipeline_is_read_in_no_time() -> None:
    assert place(["a ", 0, " | sh" * 20_000]).refused


@pytest.mark.timeout(10)
@pytest.mark.parametrize(
    "piece", ["$(", '"$(', "${a:-", "( ", "case a in a) ", "env ", "find -exec "]
)
def test_a_command_nested_without_end_is_refused_at_once(piece: str) -> None:
    assert place([piece * 5_000, 0]).refused


def test_a_misplaced_value_says_what_to_do() -> None:
    (problem,) = place(["sed s/a/", 0, "/ f"]).problems
    assert problem == Misplaced(
        hole=0,
        part=1,
        offset=0,
        message="a value here would be program text of `sed`: pass it as an argument,"
        " or pass it through `env:`",
    )
    assert re.fullmatch(r"[ -~]+", problem.message)
