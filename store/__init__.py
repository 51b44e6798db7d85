"""The store room: what outlives the process, where bytes lie, and who hears of events.

`connect(url)` opens a store. `sqlite/` is the embedded one; `blobs.py` keeps files by their
SHA-256; `bus.py` carries events to listeners, `pubsub/` also between processes, and `buses.py`
opens the one that a URL names. The ports are in `graphs/ports.py`; this room
imports no other room, and `tests/contracts` holds each implementation to its port.
"""
