"""Wrong and hostile definitions: each is refused at its place, in words, and nothing runs."""

from __future__ import annotations

import json

import pytest

from assay.graphs.errors import Position

from ..running import marked, problems

A_TEXT = "name: w\ninputs: {a: {type: string, required: true}}\nsteps:\n"
A_LIST = "name: w\ninputs: {a: {type: array, required: true}}\nsteps:\n"


def shell(line: str) -> str:
    """A definition with one command, that has an input `a` to misplace."""
    return f"{A_TEXT}  - id: s\n    type: shell\n    command: |\n      echo first\n      {line}\n"


def condition(source: str, head: str = A_LIST) -> str:
    return f'{head}  - {{id: s, type: assert, condition: "{source}"}}\n'


# None of them may hang.
pytestmark = pytest.mark.timeout(20)

BOMB = "\n".join(
    ["name: w", "a0: &a0 [x, x, x, x, x, x, x, x, x, x]"]
    + [f"a{n}: &a{n} [{', '.join([f'*a{n - 1}'] * 10)}]" for n in range(1, 10)]
)

WRONG = {
    "a key twice": (
        "- {id: a, type: shell, command: ls, ¶command: rm}",
        "'command' stands here a second time",
    ),
    "the name twice": ("name: w\n¶name: v\nsteps: []", "'name' stands here a second time"),
    "a tab as indentation": ("name: w\nsteps:\n¶\t- {id: a}", "a tab cannot indent"),
    "a quote that is never closed": ('name: ¶"w\nsteps: []', "never closed"),
    "an alias inside what it repeats": (
        "name: w\nsteps: &s\n  - {id: a, type: parallel, steps: ¶*s}",
        "stands inside what it repeats",
    ),
    "a tag that would run Python": (
        'name: ¶!!python/object/apply:os.system ["touch canary"]\nsteps: []',
        "is not supported here",
    ),
    "no steps": ("¶name: w\n", "'steps' is missing"),
    "an empty list of steps": ("name: w\nsteps: ¶[]", "'steps' is empty"),
    "a list instead of a workflow": ("¶[1, 2]", "a definition is a mapping"),
    "a name that is no slug": (
        "name: ¶../Bad Name\nsteps: [{id: a, type: shell, command: ls}]",
        "a slug",
    ),
    "a version that is a number": (
        "name: w\nversion: ¶1.0\nsteps: [{id: a, type: shell, command: ls}]",
        'write it as text: "1.0"',
    ),
    "an unknown kind": ("- {id: a, type: ¶shel, command: ls}", "did you mean 'shell'?"),
    "no kind": ("- ¶{id: a, command: ls}", "this step has no `type`"),
    "a kind that is a list": ("- {id: a, type: ¶[shell], command: ls}", "'type' must be text"),
    "a step that is text": ("- ¶just text", "a step is a mapping with an `id` and a `type`"),
    "a field that is misspelt": (
        "- {id: a, type: shell, command: ls, ¶timeuot: 5s}",
        "did you mean 'timeout'?",
    ),
    "a number as command": ("- {id: a, type: shell, command: ¶5}", 'write it as text: "5"'),
    "true as condition": ("- {id: a, type: assert, condition: ¶true}", 'as text: "true"'),
    "a list as command": ("- {id: a, type: shell, command: ¶[ls]}", "not a list"),
    "a duration in words": (
        "- {id: a, type: shell, command: ls, timeout: ¶soon}",
        "is not a duration",
    ),
    "no attempts at all": (
        "- {id: a, type: shell, command: ls, retry: {attempts: ¶0}}",
        "greater than or equal to 1",
    ),
    "a strategy that is none": (
        "- {id: a, type: shell, command: ls, on_error: ¶explode}",
        "is not one of 'halt'",
    ),
    "an id with a quote and a command": (
        """- {id: ¶"a'; rm -rf .", type: shell, command: ls}""",
        "is not allowed; letters, digits",
    ),
    "an id with a substitution": (
        '- {id: ¶"$(touch canary)", type: shell, command: ls}',
        "is not allowed; letters, digits",
    ),
    "an id that climbs out of a folder": (
        "- {id: ¶../../etc, type: shell, command: ls}",
        "is not allowed; letters, digits",
    ),
    "an id with a line break": (
        '- {id: ¶"a\\n", type: shell, command: ls}',
        "is not allowed; letters, digits",
    ),
    "an id twice": (
        "- {id: a, type: shell, command: ls}\n- {id: ¶a, type: shell, command: ls}",
        "used in line 3 already",
    ),
    "an id twice, once inside": (
        "- {id: a, type: shell, command: ls}\n"
        "- {id: p, type: parallel, steps: [{id: ¶a, type: shell, command: ls}]}",
        "used in line 3 already",
    ),
    "a circle of needs": (
        "- {id: a, type: shell, command: ls, needs: ¶[b]}\n"
        "- {id: b, type: shell, command: ls, needs: [a]}",
        "steps wait for each other: a -> b -> a",
    ),
    "a need of oneself": (
        "- {id: a, type: shell, command: ls, needs: [¶a]}",
        "the step 'a' cannot need itself",
    ),
    "a need of a step that is elsewhere": (
        "- {id: p, type: parallel, steps: [{id: q, type: shell, command: ls}]}\n"
        "- {id: a, type: shell, command: ls, needs: [¶q]}",
        "is not a sibling",
    ),
    "a loop without a bound": (
        '- ¶{id: a, type: loop, while: "true", steps: [{id: b, type: shell, command: ls}]}',
        "'max_iterations' is missing",
    ),
    "a loop without a condition": (
        "- ¶{id: a, type: loop, max_iterations: 2, steps: [{id: b, type: shell, command: ls}]}",
        "exactly one of `while` and `until`",
    ),
    "a hole that is not closed": (shell("echo ¶{{ inputs.a }"), "`{{` is not closed"),
    "a hole with nothing in it": (shell("echo ¶{{ }}"), "`{{ }}` is empty"),
    "an unknown name": (shell("echo {{ ¶nobody.output }}"), "'nobody' is not known"),
    "an unknown input": (shell("echo {{ ¶inputs.b }}"), "no input is called 'b'"),
    "half an expression": (condition("1 +¶"), "ends too early"),
    "one equals sign": (condition("1 ¶= 1"), "write == to compare"),
    "a word for an operator": (condition("true ¶and false"), "write &&"),
    "a number and a text added": (condition("1 ¶+ 'a' == 2"), "cannot combine int and string"),
    "a condition that is a number": (condition("¶1 + 1"), "must be true or false"),
}


@pytest.mark.parametrize(("text", "says"), WRONG.values(), ids=list(WRONG))
def test_what_is_wrong_is_said_at_its_place(text: str, says: str) -> None:
    document, (place,) = marked(text)

    found = problems(document)

    assert [(p.position, says in p.message) for p in found] == [(place, True)], found


MISPLACED = {
    "as a command": ("{{ ¶inputs.a }} --version", "may not name the command"),
    "as a command in a substitution": ("echo $({{ ¶inputs.a }})", "may not name the command"),
    "inside backticks": ("echo `echo {{ ¶inputs.a }}`", "write $(…) instead"),
    "as program text of bash": ("bash -c 'ls {{ ¶inputs.a }}'", "program text of `bash`"),
    "as program text of Python": ("python3 -c {{ ¶inputs.a }}", "program text of `python3`"),
    "after eval": ("eval echo {{ ¶inputs.a }}", "`eval` may evaluate a value"),
    "in arithmetic": ("echo $(( {{ ¶inputs.a }} + 1 ))", "env:"),
    "in a parameter": ("echo ${x:-{{ ¶inputs.a }}}", "env:"),
    "as a here-document's delimiter": (
        "cat <<{{ ¶inputs.a }}\n      x\n      EOF",
        "the delimiter of a here-document must be plain text",
    ),
    "in arithmetic inside a here-document": (
        "cat <<EOF\n      $(( {{ ¶inputs.a }} ))\n      EOF",
        "env:",
    ),
    "after a backslash": ("echo \\{{ ¶inputs.a }}", "env:"),
    "after a dollar": ("echo ${{ ¶inputs.a }}", "env:"),
    "behind >&": ("echo x >&{{ ¶inputs.a }}", "env:"),
}


@pytest.mark.parametrize(("line", "says"), MISPLACED.values(), ids=list(MISPLACED))
def test_a_value_that_could_become_a_command_is_refused(line: str, says: str) -> None:
    document, (place,) = marked(shell(line))

    found = [p for p in problems(document) if not p.warning]

    assert [(p.position, says in p.message) for p in found] == [(place, True)], found


CEL_BOMBS = {
    "four loops in one": (
        " && ".join(["inputs.a.all(x, true)"] * 3) + " && inputs.a.¶all(x, true)",
        "split it over two steps",
    ),
    "a loop over everything in a loop over everything": (
        "inputs.a.all(x, inputs.a.¶all(y, true))",
        "compute the inner list in a step before",
    ),
    "lists that double": ("inputs.a.map(x, x ¶+ x) == []", "must be between numbers"),
    "a chain of doublings": (
        "['x']" + "".join(f".map({c}, [{c}, {c}])" for c in "abcd") + " == []",
        "an expression may hold 3",
    ),
    "replace as a method": ("'a'.¶replace('a', 'aaaa') == ''", "`replace`"),
    "thousands of brackets": ("¶" + "(" * 5000 + "true" + ")" * 5000, ""),
    "thousands of operators": ("true" + " && true" * 5000, ""),
}


@pytest.mark.parametrize(("source", "says"), CEL_BOMBS.values(), ids=list(CEL_BOMBS))
def test_an_expression_that_would_eat_the_memory_is_refused_at_once(source: str, says: str) -> None:
    document, places = marked(condition(source))
    (found,) = problems(document)

    assert says in found.message
    assert places in ([], [found.position])
    assert len(found.message) < 400


def test_an_alias_bomb_is_refused_before_it_grows() -> None:
    (found,) = problems(BOMB)

    assert found.position.line > 1
    assert "more than 100,000 values, repeated ones included" in found.message


@pytest.mark.parametrize("json", [False, True], ids=["yaml", "json"])
def test_sixty_thousand_brackets_are_refused_at_the_sixty_fifth(json: bool) -> None:
    (found,) = problems("[" * 60_000, json=json)

    assert found.position == Position(1, 65)
    assert "64" in found.message


def test_a_file_over_a_mebibyte_is_refused() -> None:
    (found,) = problems("name: " + "w" * (1 << 20))

    assert (found.position, "split it" in found.message) == (Position(1, 1), True)


def test_steps_nested_sixty_deep_are_refused_in_words() -> None:
    text = '{"id": "x", "type": "shell", "command": "ls"}'
    for n in range(60):
        text = f'{{"id": "p{n}", "type": "parallel", "steps": [{text}]}}'

    (found,) = problems(f'{{"name": "w", "steps": [{text}]}}', json=True)

    assert "64" in found.message


def test_a_thousand_mistakes_are_a_thousand_lines_in_order() -> None:
    steps = [{"id": f"s{n}", "type": "nothing"} for n in range(1000)]

    found = problems(json.dumps({"name": "w", "steps": steps}, indent=0), json=True)

    assert len(found) == 1000
    assert found == sorted(found, key=lambda problem: problem.position)
