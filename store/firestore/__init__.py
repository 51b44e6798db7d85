"""The store of many machines: Google's Firestore, one document for each thing that changes alone.

`store.py` is the port; the files named after a collection or two hold what lies there; `names`
says where that is, `database` speaks to the server, `workers` knows which stores are alive.
"""
