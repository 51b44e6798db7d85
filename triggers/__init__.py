"""What starts work without a person at a terminal: the clock, requests, events, chat.

A trigger is a row in the store; each time that it fires is another, durable before anybody is
answered. `dispatch` turns firings into executions, one each at most, whoever is killed meanwhile.
"""
