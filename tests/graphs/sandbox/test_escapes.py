"""Every way out is tried on every rung that says it closes it, as root and as a user.

And once unconfined, where it must lead out: else the test would show nothing.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import pytest

from assay.graphs.sandbox import Rung
from assay.graphs.sandbox.claims import CLAIMS

from .conftest import RUNGS, named, users

WAYS: Mapping[str, Sequence[str]] = {
    "read": (
        "read_the_home",
        "read_another_workspace",
        "read_the_passwords",
        "read_by_dots",
        "read_by_symlink",
        "read_by_hard_link",
        "read_by_moving_it_in",
        "read_by_a_descriptor_of_the_folder",
        "read_by_the_root_of_another_process",
        "list_the_home",
        "execute_what_lies_outside",
    ),
    "write": (
        "write_a_file",
        "append_to_a_file",
        "empty_a_file",
        "empty_a_file_by_opening_it",
        "make_a_file",
        "make_a_folder",
        "remove_a_file",
        "move_a_file_out",
        "link_a_file_out",
        "write_by_symlink",
        "write_by_hard_link",
        "write_by_the_root_of_another_process",
        "write_to_its_own_program",
        "write_to_the_keeper",
        "write_to_the_program_of_the_keeper",
        "turn_a_knob_of_the_kernel",
        "make_a_device",
    ),
    "tcp": ("connect_over_tcp", "connect_over_ipv6"),
    "udp": ("send_over_udp", "ask_the_dns", "send_raw_packets", "talk_to_the_hypervisor"),
    "sockets": ("connect_to_a_socket_in_a_file", "send_to_a_socket_in_a_file"),
    "abstract": ("connect_to_an_abstract_socket",),
    "inspect": (
        "read_the_environment_of_another",
        "read_the_environment_of_assay",
        "read_the_memory_of_another",
        "follow_the_descriptors_of_another",
        "trace_another",
    ),
    "signals": (
        "signal_another",
        "end_another",
        "end_assay",
        "end_the_keeper",
        "end_another_by_a_handle",
        "end_another_by_owning_a_pipe",
    ),
    "terminal": (
        "open_another_terminal",
        "type_into_a_terminal",
        "type_into_its_own_terminal",
    ),
    "kernel": (
        "make_a_user_namespace",
        "make_a_namespace_by_clone",
        "mount_something",
        "use_io_uring",
        "load_a_program_into_the_kernel",
        "handle_page_faults",
        "use_the_keyring",
        "count_what_others_do",
        "hide_memory_in_a_file_of_none",
        "share_memory_by_number",
        "make_a_setuid_program",
        "make_a_setuid_program_at_once",
    ),
    "setuid": ("use_a_setuid_program",),
    "descriptors": ("use_what_is_open",),
    "attributes": (
        "change_a_mode",
        "change_a_mode_by_symlink",
        "change_a_mode_by_dots",
        "change_a_mode_by_a_descriptor",
        "change_a_mode_by_the_root_of_another_process",
        "change_an_owner",
        "answer_its_own_questions",
        "change_times",
    ),
    "names": ("see_that_a_file_is_there", "see_another_process"),
}

# What ends by itself, or is ended, instead of saying whether it got out: test_bounds.
BOUNDS = {"cpu", "memory", "processes", "file_size", "leftovers"}

CELLS = [
    pytest.param(claim.name, way, rung, user, id=f"{rung.label}-{named(user)}-{way}")
    for claim in CLAIMS
    for way in WAYS.get(claim.name, ())
    for rung in RUNGS
    if claim.closed_by <= rung
    for user in users()
]


def test_every_claim_is_tried() -> None:
    assert {claim.name for claim in CLAIMS} == WAYS.keys() | BOUNDS


@pytest.mark.parametrize(("claim", "way", "rung", "user"), CELLS)
def test_a_way_out_is_closed(claim: str, way: str, rung: Rung, user: int, make_world: Any) -> None:
    world = make_world(rung, user)
    before = world.state()

    ended = world.attack(way)

    assert world.state() == before
    assert ended.reached == []
    # A file of that name in a sandbox's own root is none of ours.
    assert not ended.out or claim == "write", ended.said
    assert ended.said.startswith(("out", "held")), ended


# Closed already without any confinement, or only open to root, or to nobody here.
CLOSED_ANYWAY = {
    "write_to_its_own_program",
    "write_to_the_program_of_the_keeper",
    "write_to_the_keeper",
    "ask_the_dns",
    "talk_to_the_hypervisor",
    "type_into_its_own_terminal",
    "end_the_keeper",
    "use_what_is_open",
    "use_io_uring",
    "load_a_program_into_the_kernel",
    "handle_page_faults",
    "count_what_others_do",
}
OPEN_TO_ROOT = {
    "read_the_passwords",
    "turn_a_knob_of_the_kernel",
    "make_a_device",
    "send_raw_packets",
    "type_into_a_terminal",
    "mount_something",
}


@pytest.mark.parametrize(
    ("way", "user"),
    [
        pytest.param(way, user, id=f"{named(user)}-{way}")
        for ways in WAYS.values()
        for way in ways
        for user in users()
        if way not in CLOSED_ANYWAY
        and (user == 0 or way not in OPEN_TO_ROOT)
        and (user != 0 or way != "end_assay")
    ],
)
def test_it_leads_out_where_nothing_holds_it(way: str, user: int, make_world: Any) -> None:
    world = make_world(Rung.NONE, user)

    ended = world.attack(way)

    assert ended.out or ended.reached, ended
