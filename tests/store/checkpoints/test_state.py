"""What is stored for a checkpoint: how much, how it is shared, and that forks stay apart."""

from __future__ import annotations

import asyncio
import random
from collections import Counter
from typing import TYPE_CHECKING

import pytest

from assay.graphs.errors import StoreError

from .states import EMPTIED, at, follow, state

if TYPE_CHECKING:
    from assay.store.checkpointing.saver import Saver

    from .places import Place

pytestmark = pytest.mark.anyio

SECOND_OF_NINE = 900_001  # the first byte that does not fit one chunk


async def test_a_channel_that_did_not_change_is_not_written_again(
    saver: Saver, place: Place
) -> None:
    config = await follow(saver, at(), {"document": "x" * 5000, "n": 0})
    for n in range(1, 20):
        config = await follow(saver, config, {"n": n})

    assert await state(saver, config) == {"document": "x" * 5000, "n": 19}
    assert Counter(row["channel"] for row in await place.rows("blobs")) == {"document": 1, "n": 20}
    assert await place.count("chunks") == 1


async def test_a_write_and_the_channel_it_goes_to_share_their_bytes(
    saver: Saver, place: Place
) -> None:
    config = await follow(saver, at(), {"n": 0})
    await saver.aput_writes(config, [("document", "x" * 5000)], "node")
    await follow(saver, config, {"document": "x" * 5000})

    assert await place.count("chunks") == 1


async def test_threads_never_share_bytes(saver: Saver, place: Place) -> None:
    await follow(saver, at("a"), {"document": "x" * 5000})
    kept = await follow(saver, at("b"), {"document": "x" * 5000})
    await saver.acopy_thread("b", "c")
    assert await place.count("chunks") == 3

    await saver.adelete_thread("a")
    await saver.adelete_thread("c")

    assert await place.count("chunks") == 1
    assert await state(saver, kept) == {"document": "x" * 5000}


@pytest.mark.parametrize(
    "size", [0, 1, 1021, 1022, 1024, 899_990, 900_000, SECOND_OF_NINE, 1_100_000, 5_000_000]
)
async def test_a_value_of_any_size_comes_back(saver: Saver, place: Place, size: int) -> None:
    value = random.Random(size).randbytes(size)
    config = await follow(saver, at(), {"bytes": value, "text": value.hex()})

    await saver.aput_writes(config, [("bytes", value)], "node")

    found = await saver.aget_tuple(config)
    assert found is not None
    assert found.checkpoint["channel_values"] == {"bytes": value, "text": value.hex()}
    assert found.pending_writes == [("node", "bytes", value)]
    assert all(len(row["data"]) <= 900_000 for row in await place.rows("chunks"))


async def test_a_long_list_that_grows_keeps_the_chunks_of_its_beginning(
    saver: Saver, place: Place
) -> None:
    numbers = list(range(10**6, 2 * 10**6))  # five bytes each
    config = await follow(saver, at(), {"list": numbers})
    before = await place.count("chunks")

    config = await follow(saver, config, {"list": [*numbers, 7]})

    assert await state(saver, config) == {"list": [*numbers, 7]}
    assert before == 6
    assert await place.count("chunks") == before + 2, "the first, with the length; the last"


async def test_a_checkpoint_larger_than_a_chunk_comes_back(saver: Saver) -> None:
    values = {f"channel {n} {'x' * 200}": n for n in range(5000)}

    assert await state(saver, await follow(saver, at(), values)) == values


async def test_changing_a_bytearray_while_it_is_kept_changes_nothing(saver: Saver) -> None:
    value = bytearray(b"before")
    putting = asyncio.ensure_future(follow(saver, at(), {"x": value}))
    await asyncio.sleep(0)  # it is issued now, and not yet written
    value[:] = b"after!"

    assert await state(saver, await putting) == {"x": bytearray(b"before")}


async def test_an_emptied_channel_keeps_its_version_and_has_no_value(saver: Saver) -> None:
    config = await follow(saver, at(), {"a": 1, "b": None})
    config = await follow(saver, config, {"a": EMPTIED})

    found = await saver.aget_tuple(config)
    assert found is not None
    assert found.checkpoint["channel_values"] == {"b": None}
    assert found.checkpoint["channel_versions"].keys() == {"a", "b"}


async def test_two_forks_of_a_checkpoint_do_not_mix(saver: Saver, place: Place) -> None:
    """Both write the same channel at the same count, as two runs from one checkpoint do."""
    base = await follow(saver, at(), {"n": 0, "shared": "s"})
    random.seed(1)  # programs do this: forks must differ all the same
    one = await follow(saver, base, {"n": 1})
    random.seed(1)
    two = await follow(saver, base, {"n": 2})

    assert await state(saver, base) == {"n": 0, "shared": "s"}
    assert await state(saver, one) == {"n": 1, "shared": "s"}
    assert await state(saver, two) == {"n": 2, "shared": "s"}
    versions = {row["version"] for row in await place.rows("blobs")}
    assert len({version[:6] for version in versions}) == 2, "the counters are the same"
    assert len(versions) == 3


async def test_versions_are_short_grow_in_order_and_differ_between_forks(
    saver: Saver,
) -> None:
    versions = [saver.get_next_version(None, None)]
    for _ in range(5000):
        versions.append(saver.get_next_version(versions[-1], None))

    assert versions == sorted(versions)
    assert {len(version) for version in versions} == {14}
    assert len({saver.get_next_version(versions[9], None) for _ in range(1000)}) == 1000


@pytest.mark.parametrize("other", [41, "00000000000000000000000000000041.0.2511"])
async def test_versions_go_on_from_those_of_other_savers(saver: Saver, other: str | int) -> None:
    following = saver.get_next_version(other, None)

    assert following.startswith("00002a")
    assert following > str(other).zfill(32)


async def test_a_thread_that_has_used_up_its_versions_says_so(saver: Saver) -> None:
    with pytest.raises(StoreError, match="at most 16777215 supersteps; go on in a new one"):
        saver.get_next_version("ffffffxxxxxxxx", None)


async def test_a_checkpoint_that_could_never_be_read_is_refused(saver: Saver) -> None:
    """It holds a channel at a version that nobody ever put."""
    base = await follow(saver, at(), {"a": 1})
    found = await saver.aget_tuple(base)
    assert found is not None
    checkpoint = {**found.checkpoint, "id": "f"}

    with pytest.raises(StoreError, match="does not hold the value of 'a'"):
        await saver.aput(at("other"), checkpoint, {}, {})  # type: ignore[arg-type]

    assert await saver.aget_tuple(at("other")) is None


async def test_putting_a_checkpoint_again_replaces_it(saver: Saver) -> None:
    config = await follow(saver, at(), {"a": 1})
    found = await saver.aget_tuple(config)
    assert found is not None
    found.checkpoint["channel_values"]["a"] = 2

    await saver.aput(at(), found.checkpoint, {"step": 7}, found.checkpoint["channel_versions"])

    again = await saver.aget_tuple(config)
    assert again is not None
    assert again.checkpoint["channel_values"] == {"a": 2}
    assert again.metadata["step"] == 7
    assert len([c async for c in saver.alist(at())]) == 1
