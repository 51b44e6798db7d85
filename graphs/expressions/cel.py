"""Expressions in CEL, by Google's `cel-expr-python`.

The library is young: everything it returns is checked, and nothing else imports it.
"""

from __future__ import annotations

import json
import re
from bisect import bisect_left
from collections.abc import Callable, Iterable, Iterator, Mapping
from functools import lru_cache
from typing import Any

from cel_expr_python import cel  # type: ignore[import-untyped]

from ..errors import ConfigurationError, ExpressionError
from .arithmetic import DIVIDE, DIVIDE_SAFELY, implementations, operators, replaced
from .bounds import RESULT, SOURCE, Budget, longest, refusals, weigh
from .builtin import builtin_functions
from .engine import ExpressionProblem, Path, Reference, Type
from .evaluation import CelExpression, Need, current_budget
from .functions import Function, Functions
from .mending import keep_none, mend
from .reading import Mention, Reading, reading
from .template import closing
from .vocabulary import CEL_FUNCTIONS, CEL_METHODS, TAKEN
from .wording import compile_problems, name_start, quote, type_word

REMEMBERED = 4_096  # sources whose reading is kept, for `references` is followed by `compile`


class CelEngine:
    """The `ExpressionEngine` for CEL. `functions` are all that expressions may call beside
    CEL's own."""

    def __init__(self, functions: Iterable[Function] | None = None) -> None:
        self.functions = Functions(builtin_functions() if functions is None else functions)
        self.heavy = self.functions.heavy
        self.makers = self.functions.makers
        for name in self.functions.keys() & TAKEN:
            raise ConfigurationError(f"a function cannot be called `{name}`, as CEL has its own")
        self.callable = CEL_FUNCTIONS | CEL_METHODS | self.functions.keys()
        self._config = cel.NewEnvConfigFromYaml(json.dumps(_configuration(self.functions)))
        calculations = {name: mend(function) for name, function in implementations().items()}
        self._implementations = {**calculations, **_implementations(self.functions)}
        keep_none()
        self._parser = self._new({})
        self.read = lru_cache(REMEMBERED)(self._read)

    def environment(self, names: Mapping[str, Type]) -> CelEnvironment:
        return CelEnvironment(self, self._new(names), names)

    def declarable(self, name: str) -> bool:
        return (
            _IDENTIFIER.fullmatch(name) is not None
            and name not in TAKEN
            and name not in self.functions
        )

    def references(self, source: str) -> tuple[Reference, ...]:
        return self.read(source).references

    def _read(self, source: str) -> Reading:
        """The reading of a source that parses. Raises `ExpressionProblem`."""
        if len(source) > SOURCE:
            raise ExpressionProblem(
                f"an expression has at most {SOURCE:,} characters, not {len(source):,}; "
                "split it over several steps",
                0,
            )
        if strange := _STRANGE.search(source):
            raise ExpressionProblem(
                f"the character {strange[0]!a} cannot stand in an expression; "
                "write it as an escape inside a text",
                strange.start(),
            )
        return reading(self.compiled(self._parser, source, check=False).serialize())

    def compiled(self, env: Any, source: str, *, check: bool) -> Any:
        try:
            return env.compile(source, disable_check=not check)
        except Exception as error:  # the library raises RuntimeError, and others when it errs
            found = compile_problems(str(error), source, self.callable)
            raise ExpressionProblem.of([*found]) from None

    def _new(self, names: Mapping[str, Type]) -> Any:
        variables = {name: _TYPES[kind] for name, kind in names.items()}
        return cel.NewEnv(
            config=self._config, variables=variables, function_impls=self._implementations
        )


class CelEnvironment:
    """A scope of declared names."""

    def __init__(self, engine: CelEngine, env: Any, names: Mapping[str, Type]) -> None:
        self._engine = engine
        self._env = env
        self._names = frozenset(names)
        self._numbers = {n for n, kind in names.items() if kind in (Type.INT, Type.NUMBER)}
        self._roots = frozenset(name.partition(".")[0] for name in names)

    def compile(self, source: str, *, condition: bool = False) -> CelExpression:
        found = self._engine.read(source)
        problems = [*self._refusals(found), *refusals(found, self._engine.heavy, self._numbers)]
        if problems:
            raise ExpressionProblem.of([(name_start(source, at), said) for at, said in problems])
        packed, insertions = self._pack(source, found)
        try:
            program = self._engine.compiled(self._env, packed, check=True)
        except ExpressionProblem as error:
            moved = ((_origin(p.offset, insertions), p.message) for p in error.problems)
            raise ExpressionProblem.of([*moved]) from None
        kind = _kind(program)
        if kind.startswith("optional_type"):
            program = self._env.compile(f"({packed}\n).orValue(dyn(null))")
            kind = "DYN"
        result = _RESULTS.get(re.split("[<(]", kind, maxsplit=1)[0])
        if result is None:
            raise ExpressionProblem(
                f"an expression cannot yield {type_word(kind)}; convert it to text or a number", 0
            )
        if condition and result not in (Type.BOOL, Type.DYN):
            raise ExpressionProblem(
                f"a condition must be true or false, but {quote(source)} is {type_word(kind)}; "
                "compare it with something",
                0,
            )
        if found.divisions:
            program = self._env.deserialize(_dividing_safely(program.serialize()))
        return CelExpression(
            source,
            found.references,
            found.functions,
            result,
            condition,
            program,
            found.alone.path if found.alone else None,
            self._needs(found),
            found.calculates or not self._engine.functions.keys().isdisjoint(found.functions),
            Budget.of(found, self._engine.makers),
            self._halves(source, found) if result in (Type.LIST, Type.DYN) else None,
        )

    def _halves(self, source: str, found: Reading) -> tuple[CelExpression, CelExpression] | None:
        """What is added to what, where that is only named and may be a list."""
        if found.join is None:
            return None
        try:
            first = self.compile(source[: found.join])
            return (first, self.compile(source[found.join + 1 :])) if first.named else None
        except ExpressionProblem:  # the whole stands in brackets
            return None

    def _refusals(self, found: Reading) -> Iterator[tuple[int, str]]:
        """What CEL would accept and mean otherwise."""
        for offset, name in found.messages:
            yield offset, f"`{name}{{...}}` is not supported; write a map, {{'key': value}}"
        for offset in found.loose:
            yield offset, "an optional value cannot stand here; end it with .orValue(...)"
        for mention in found.mentions:
            dotted = ".".join(mention.path)
            if mention.test and mention.selects == len(mention.path) - 1 and dotted in self._names:
                yield (
                    mention.offset,
                    f"has({dotted}) is always true, for it is declared; write {dotted} != null",
                )
        for loop in found.loops:
            for name in self._roots.intersection(loop.variables):
                yield loop.offset, f"the variable `{name}` hides another name; call it differently"
        for call, offset, _ in found.calls:
            overloads = self._engine.functions.get(call.function, ())
            count = len(call.arguments)
            if overloads and call.target is None and not any(f.accepts(count) for f in overloads):
                arity = " or ".join(dict.fromkeys(f.arity for f in overloads))
                yield offset, f"`{call.function}` takes {arity}, not {count}"

    def _pack(self, source: str, found: Reading) -> tuple[str, list[int]]:
        """`hash(a, b)` as `hash([a, b])`, with the places of the added brackets in the result:
        an overload for each combination of types would cost CEL half of its start."""
        functions = self._engine.functions
        added: list[tuple[int, str]] = []
        for offset in {
            offset
            for call, offset, _ in found.calls
            if call.target is None and any(f.packed for f in functions.get(call.function, ()))
        }:
            added += [(offset + 1, "["), (closing(source, offset), "]")]
        pieces, kept = [], 0
        for place, bracket in sorted(added):
            pieces += [source[kept:place], bracket]
            kept = place
        places = [place + before for before, (place, _) in enumerate(sorted(added))]
        return "".join([*pieces, source[kept:]]), places

    def _needs(self, found: Reading) -> tuple[Need, ...]:
        """The data that an evaluation takes, without what another part already holds."""
        whole: dict[tuple[str, Path], list[Mention]] = {}
        for mention in sorted(found.mentions, key=lambda m: len(m.path)):
            depth = self._declared(mention)
            if not depth:
                continue
            variable, path = ".".join(mention.path[:depth]), mention.path
            lengths = range(depth, len(path) + 1)
            prefixes = ((variable, path[:length]) for length in lengths)
            holder = next((prefix for prefix in prefixes if prefix in whole), (variable, path))
            whole.setdefault(holder, []).append(mention)
        return tuple(
            Need(
                variable,
                path,
                depth=variable.count(".") + 1,
                count=len(mentions),
                looped=sum(mention.in_loop for mention in mentions),
                optional=all(mention.optional for mention in mentions),
            )
            for (variable, path), mentions in whole.items()
        )

    def _declared(self, mention: Mention) -> int:
        """How many keys of a mention the declared name covers; CEL takes the longest."""
        for depth in range(mention.selects + 1, 0, -1):
            if ".".join(mention.path[:depth]) in self._names:
                return depth
        return 0


def _kind(program: Any) -> str:
    try:
        return str(program.return_type().name())
    except Exception:  # what the library does about a map with keys of an unusual type
        raise ExpressionProblem("the keys of a map must be text", 0) from None


def _dividing_safely(serialized: bytes) -> bytes:
    """A checked tree whose divisions refuse zero."""
    data = bytearray(serialized)
    for place in reading(serialized).divisions:
        data[place : place + len(DIVIDE)] = DIVIDE_SAFELY.encode()
    return bytes(data)


def _origin(offset: int, insertions: list[int]) -> int:
    """The place in the author's source of a place in the packed one."""
    return offset - bisect_left(insertions, offset)


def _configuration(functions: Functions) -> dict[str, Any]:
    return {
        "stdlib": {"exclude_functions": [{"name": name} for name in replaced()]},
        "extensions": [{"name": "optional", "version": 2}],
        "functions": operators()
        + [
            {"name": name, "overloads": [_overload(function) for function in overloads]}
            for name, overloads in functions.items()
        ],
    }


def _overload(function: Function) -> dict[str, Any]:
    parameters = (Type.LIST,) if function.packed else function.parameters
    return {
        "id": _overload_id(function),
        "args": [_DECLARED[parameter] for parameter in parameters],
        "return": _DECLARED[function.result],
    }


def _overload_id(function: Function) -> str:
    return "_".join(("assay", function.name, *function.parameters))


def _implementations(functions: Functions) -> dict[str, Callable[..., Any]]:
    return {
        _overload_id(function): mend(_guarded(function))
        for overloads in functions.values()
        for function in overloads
    }


def _guarded(function: Function) -> Callable[..., Any]:
    """A function that fails in words, and gives nothing that CEL would misread."""

    def call(*arguments: Any) -> Any:
        try:
            given = arguments[0] if function.packed else arguments
            result = function.implementation(*given)
            weight = weigh(result)
            if weight > RESULT:
                raise ExpressionError(
                    f"{function.name} gives too much at once ({weight:,} units, the limit is "
                    f"{RESULT:,})"
                )
            budget = current_budget.get()
            if budget is not None and budget.longest is not None:
                budget.check_length(longest(result))
        except ExpressionError:
            raise
        except Exception as error:
            raise ExpressionError(f"{function.name} failed: {error}") from error
        return result

    return call


_IDENTIFIER = re.compile(r"[A-Za-z_][A-Za-z0-9_]*", re.ASCII)
_STRANGE = re.compile(r"[\x00-\x08\x0b\x0c\x0e-\x1f\x7f\ud800-\udfff]")
_DECLARED: dict[Type, dict[str, Any]] = {
    Type.DYN: {"type_name": "dyn"},
    Type.BOOL: {"type_name": "bool"},
    Type.INT: {"type_name": "int"},
    Type.NUMBER: {"type_name": "double"},
    Type.STRING: {"type_name": "string"},
    Type.LIST: {"type_name": "list", "params": [{"type_name": "dyn"}]},
    Type.MAP: {"type_name": "map", "params": [{"type_name": "dyn"}] * 2},
    Type.NULL: {"type_name": "null_type"},
}
_TYPES = {
    Type.DYN: cel.Type.DYN,
    Type.BOOL: cel.Type.BOOL,
    Type.INT: cel.Type.INT,
    Type.NUMBER: cel.Type.DOUBLE,
    Type.STRING: cel.Type.STRING,
    Type.LIST: cel.Type.List(cel.Type.DYN),
    Type.MAP: cel.Type.Map(cel.Type.STRING, cel.Type.DYN),
    Type.NULL: cel.Type.NULL,
}
_RESULTS = {
    "DYN": Type.DYN,
    "BOOL": Type.BOOL,
    "INT": Type.INT,
    "UINT": Type.INT,
    "DOUBLE": Type.NUMBER,
    "DURATION": Type.NUMBER,
    "STRING": Type.STRING,
    "TIMESTAMP": Type.STRING,
    "LIST": Type.LIST,
    "MAP": Type.MAP,
    "NULL": Type.NULL,
}
