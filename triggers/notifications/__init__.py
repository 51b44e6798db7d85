"""Telling others what became of executions: each event once, signed, until it is taken."""
