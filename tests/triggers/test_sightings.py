"""What is told of files, by a clock that the test moves."""

from __future__ import annotations

from collections.abc import Mapping

from hypothesis import given, settings
from hypothesis import strategies as st

from assay.triggers.folder import Found, Seen
from assay.triggers.sightings import Change, Sightings, packed, unpacked


def found(files: Mapping[str, int], whole: bool = True) -> Found:
    """Files by name, each with what stands for its content."""
    return Found({name: Seen(n, n, n) for name, n in files.items()}, whole=whole)


def look(sightings: Sightings, seen: Found, now: float, settle: float = 2.0) -> list[str]:
    """What is told, as `event name`; it is not told again."""
    changes = sightings.changes(seen, now, settle)
    sightings.told(changes)
    return [f"{change.event} {change.path}" for change in changes]


def test_a_file_is_told_of_when_it_has_settled() -> None:
    sightings = Sightings({})

    assert look(sightings, found({"a": 1}), 0.0) == []
    assert look(sightings, found({"a": 2}), 1.9) == []
    assert look(sightings, found({"a": 2}), 3.8) == []
    assert look(sightings, found({"a": 2}), 3.9) == ["created a"]
    assert look(sightings, found({"a": 2}), 99.0) == []


def test_a_file_is_created_once_and_modified_afterwards() -> None:
    sightings = Sightings({"a": Seen(1, 1, 1).version})

    assert look(sightings, found({"a": 1, "b": 1}), 0.0, 0.0) == ["created b"]
    assert look(sightings, found({"a": 2, "b": 1}), 1.0, 0.0) == ["modified a"]
    assert look(sightings, found({"a": 2}), 2.0, 0.0) == ["deleted b"]
    assert look(sightings, found({"a": 2}), 3.0, 0.0) == []
    assert look(sightings, found({"a": 2, "b": 2}), 4.0, 0.0) == ["created b"]


def test_a_file_that_is_put_in_anothers_place_is_not_deleted_meanwhile() -> None:
    sightings = Sightings({"a": Seen(1, 1, 1).version})

    assert look(sightings, found({}), 0.0) == []
    assert look(sightings, found({"a": 2}), 1.0) == []
    assert look(sightings, found({"a": 2}), 3.0) == ["modified a"]


def test_a_file_that_comes_back_as_it_was_has_not_changed() -> None:
    sightings = Sightings({"a": Seen(1, 1, 1).version})

    assert look(sightings, found({}), 0.0) == []
    assert look(sightings, found({"a": 1}), 1.0) == []
    assert look(sightings, found({}), 2.5) == []
    assert look(sightings, found({}), 4.5) == ["deleted a"]


def test_what_cannot_be_seen_is_not_deleted() -> None:
    sightings = Sightings({"a": Seen(1, 1, 1).version})

    assert look(sightings, found({}, whole=False), 0.0, 0.0) == []
    assert look(sightings, found({}), 0.0, 0.0) == ["deleted a"]


def test_until_it_is_told_it_comes_again() -> None:
    sightings = Sightings({})
    first = sightings.changes(found({"a": 1}), 0.0, 0.0)

    assert sightings.changes(found({"a": 1}), 0.0, 0.0) == first
    sightings.told(first)
    assert sightings.changes(found({"a": 1}), 0.0, 0.0) == []


def test_whoever_sees_a_file_gives_what_they_see_the_same_name() -> None:
    """One that saw it before takes it to be modified, another created."""
    known, new = Sightings({"a": Seen(1, 1, 1).version}), Sightings({})
    (one,), (other,) = (s.changes(found({"a": 2}), 0.0, 0.0) for s in (known, new))
    gone = Change("a", "deleted", one.version, None)

    assert (one.event, other.event) == ("modified", "created")
    assert one.id == other.id != gone.id


@settings(deadline=None)
@given(st.lists(st.dictionaries(st.sampled_from("abc"), st.integers(1, 3)), max_size=20))
def test_every_change_that_lasts_is_told_once_and_nothing_else(looks: list[dict[str, int]]) -> None:
    """A look each second: with `settle` of one, what two looks in a row have in common."""
    sightings, told = Sightings({}), dict[str, int]()
    for now, (before, files) in enumerate(zip([{}, *looks], looks, strict=False)):
        expected = []
        for name in "abc":
            here = files.get(name)
            if now and here == before.get(name) and here != told.get(name):
                expected.append(
                    f"deleted {name}"
                    if here is None
                    else f"{'modified' if name in told else 'created'} {name}"
                )
        said = look(sightings, found(files), float(now), 1.0)

        assert sorted(said) == sorted(expected)
        told = told | {s[-1]: files[s[-1]] for s in said if not s.startswith("deleted")}
        told = {name: n for name, n in told.items() if f"deleted {name}" not in said}


def test_ten_thousand_files_are_remembered_in_a_lane() -> None:
    known = {f"inbox/2026/report-{n:06}.csv": Seen(n * 10**9, n, n).version for n in range(10_000)}

    assert unpacked(packed(known)) == known
    assert len(packed(known)) < 300_000
