"""LangGraph checkpoints: what every back end shares.

`saver.Saver` is what LangGraph calls; `rows` is the port that a back end implements. Between
them, `values` cuts state into verified chunks, `reading` puts it together again, `lanes` makes
changes durable in order, and `keeping` says what pruning must leave.
"""
