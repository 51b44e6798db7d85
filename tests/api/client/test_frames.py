"""Frames are read whole, wherever the bytes were broken."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from assay.api.client.frames import Frame, Frames

TEXT = st.text(st.characters(exclude_characters="\r\n\0", exclude_categories=["Cs"]))
LINES = st.lists(TEXT, min_size=1, max_size=3).map("\n".join)
ID = TEXT | st.none()


def written(frame: Frame, end: str) -> str:
    lines = [] if frame.id is None else [f"id: {frame.id}"]
    lines += [f"event: {frame.event}", *(f"data: {line}" for line in frame.data.split("\n"))]
    return end.join([": a remark", *lines, "", ""])


@given(
    st.lists(st.builds(Frame, ID, TEXT, LINES), max_size=4),
    st.sampled_from(["\n", "\r\n", "\r"]),
    st.lists(st.integers(1, 9), min_size=1),
)
def test_frames_come_as_they_were_sent(frames: list[Frame], end: str, sizes: list[int]) -> None:
    sent = "".join(written(frame, end) for frame in frames).encode() + b"\n"
    reader, found = Frames(), list[Frame]()
    turn = 0
    while sent:
        size = sizes[turn % len(sizes)]
        found += reader.feed(sent[:size])
        sent, turn = sent[size:], turn + 1
    assert found == frames


def test_what_was_cut_off_is_no_frame() -> None:
    assert list(Frames().feed(b"id: 1\nevent: x\ndata: {}\n")) == []


def test_a_frame_without_data_moves_the_cursor() -> None:
    assert list(Frames().feed(b": here\n\nid: 7\n\n")) == [Frame("7", "", "")]


def test_a_frame_without_end_is_no_frame_of_ours(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("assay.api.client.frames.LARGEST", 100)
    with pytest.raises(ValueError, match="does not end"):
        list(Frames().feed(b"data: " + b"x" * 100))
