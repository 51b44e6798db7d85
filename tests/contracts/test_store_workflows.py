"""What every `Store` owes of registered workflows."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import pytest
from tests.stored import ended, execution

from assay.graphs.errors import InvalidInput, WorkflowConflict, WorkflowNotFound
from assay.graphs.execution import Status
from assay.store.connect import connect

if TYPE_CHECKING:
    from assay.graphs.ports import Store

pytestmark = pytest.mark.anyio


def workflow(name: str = "build", version: str = "1", digest: str = "d1", **document: Any) -> Any:
    """Stands for a `Workflow`: a store looks at these attributes only."""
    return _Workflow(name, version, digest, {"name": name, "version": version, **document})


@dataclass(frozen=True)
class _Workflow:
    name: str
    version: str
    digest: str
    document: dict[str, Any] = field(default_factory=dict)
    description: str | None = "What it is for"


async def test_a_registered_workflow_is_found_by_version_and_by_digest(store: Store) -> None:
    await store.register(workflow(steps=[{"id": "a", "command": "é\u0000"}]))
    document = {"name": "build", "version": "1", "steps": [{"id": "a", "command": "é\u0000"}]}
    assert await store.workflow("build", "1") == document
    assert await store.workflow("build") == document
    assert await store.workflow_by_digest("d1") == document


async def test_without_a_version_the_latest_registered_is_meant(store: Store) -> None:
    await store.register(workflow(version="9"))
    await store.register(workflow(version="10", digest="d2"))
    await store.register(workflow(version="9"))
    assert (await store.workflow("build"))["version"] == "10"


async def test_registering_the_same_digest_again_changes_nothing(store: Store) -> None:
    await store.register(workflow())
    before = await store.workflows()
    await store.register(workflow())
    assert await store.workflows() == before


async def test_a_registered_version_never_changes(store: Store) -> None:
    await store.register(workflow())
    with pytest.raises(WorkflowConflict, match="build version 1"):
        await store.register(workflow(digest="d2", changed=True))
    assert "changed" not in await store.workflow("build")


async def test_what_is_only_kept_is_found_by_digest_and_not_registered(store: Store) -> None:
    for _ in range(2):
        await store.keep(workflow(digest="d7"))
    assert await store.workflow_by_digest("d7") == {"name": "build", "version": "1"}
    assert (await store.workflows()).items == []
    with pytest.raises(WorkflowNotFound):
        await store.workflow("build")
    await store.register(workflow(digest="d8"))  # and takes no version


async def test_what_is_kept_outlives_its_registered_version(store: Store) -> None:
    await store.register(workflow())
    await store.keep(workflow())
    await store.delete_workflow("build")
    assert await store.workflow_by_digest("d1") == {"name": "build", "version": "1"}


async def test_what_was_never_registered_is_not_found(store: Store) -> None:
    await store.register(workflow())
    for missing in (
        store.workflow("other"),
        store.workflow("build", "2"),
        store.workflow_by_digest("d2"),
    ):
        with pytest.raises(WorkflowNotFound):
            await missing


async def test_the_message_for_a_missing_version_names_those_that_exist(store: Store) -> None:
    await store.register(workflow(version="1.4"))
    with pytest.raises(WorkflowNotFound, match=r"1\.4"):
        await store.workflow("build", "2")


async def test_workflows_are_listed_by_name_then_newest_first_in_pages(store: Store) -> None:
    for name in ["b1", "a2", "b2", "c1", "a1"]:
        await store.register(workflow(name[0], name[1], name))
    seen, after = [], None
    for _ in range(3):
        page = await store.workflows(after=after, limit=2)
        seen.append([info.name + info.version for info in page.items])
        after = page.cursor
    assert seen == [["a1", "a2"], ["b2", "b1"], ["c1"]]
    assert after is None


async def test_the_versions_of_one_workflow_are_listed_newest_first_in_pages(store: Store) -> None:
    for version in "123":
        for name in ("a", "b", "bb"):
            await store.register(workflow(name, version, name + version))
    first = await store.workflows(name="b", limit=2)
    rest = await store.workflows(name="b", after=first.cursor, limit=2)
    assert [(info.name, info.version) for info in (*first.items, *rest.items)] == [
        ("b", "3"),
        ("b", "2"),
        ("b", "1"),
    ]
    assert rest.cursor is None
    assert (await store.workflows(name="nobody")).items == []


async def test_a_listed_workflow_says_what_it_is(store: Store) -> None:
    await store.register(workflow())
    (info,) = (await store.workflows()).items
    assert (info.name, info.version, info.digest) == ("build", "1", "d1")
    assert info.description == "What it is for"
    assert info.registered_at.endswith("Z")


async def test_deleting_forgets_one_version_or_all(store: Store) -> None:
    for version in "123":
        await store.register(workflow(version=version, digest=f"d{version}"))
    await store.register(workflow("other", digest="d0"))
    assert await store.delete_workflow("build", "2") == 1
    assert await store.delete_workflow("build", "2") == 0
    assert await store.delete_workflow("build") == 2
    assert [info.name for info in (await store.workflows()).items] == ["other"]


@pytest.mark.parametrize("status", [s for s in Status if not s.terminal])
async def test_a_version_with_an_open_execution_is_not_forgotten(
    store: Store, status: Status
) -> None:
    await store.register(workflow())
    await store.register(workflow("child", digest="d2"))
    await store.register(workflow("other", digest="d3"))
    of = execution(status=status, pins={"d1/child@1": "d2"})
    lease = await store.create(of, [], store.worker)
    assert lease is not None
    for name in ("build", "child"):
        assert await store.delete_workflow(name) == 0
    assert await store.delete_workflow("other") == 1
    await ended(store, lease, of, Status.FAILED)
    for name in ("build", "child"):
        assert await store.delete_workflow(name) == 1


@pytest.mark.parametrize(
    "after", ["", "build", "build:", "build:-1", "build:1x", "build:" + "9" * 30]
)
async def test_a_cursor_that_was_never_given_out_is_refused(store: Store, after: str) -> None:
    with pytest.raises(InvalidInput, match="cursor"):
        await store.workflows(after=after)


async def test_workflows_are_there_when_the_store_is_opened_again(lasting_url: str) -> None:
    first = await connect(lasting_url)
    await first.register(workflow())
    await first.keep(workflow(digest="d7"))
    await first.close()
    again = await connect(lasting_url)
    try:
        document = {"name": "build", "version": "1"}
        assert await again.workflow("build", "1") == document
        assert await again.workflow_by_digest("d7") == document
    finally:
        await again.close()
