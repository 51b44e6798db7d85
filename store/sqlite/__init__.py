"""The embedded store: one SQLite file in WAL mode, one writer thread, a few readers.

`store.py` is the port; `workflows`, `executions`, `journal` and `cache` hold the SQL, one
file for each table or two; `writer` and `reader` say in which thread it runs.
"""
