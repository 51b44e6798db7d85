"""The embedded store: one SQLite file in WAL mode, one writer thread, a few readers.

`store.py` is the port; the files named after a table or two hold the SQL; `writer` and `reader`
say in which thread it runs, `workers` which other processes are alive.
"""
