"""Files that follow an execution to another machine: `workspace: {mode: snapshot}`.

Each drive of an execution works in a folder of its own (`copy`), which is made from what its
journal names (`tree`, `restoring`). What steps change is found (`scan`) and kept (`keeping`).
"""
