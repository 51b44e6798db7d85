"""Chat: what people say becomes firings, and what becomes of them is told in the same thread.

`adapter` is the port that each platform implements; nothing else here knows a platform.
"""
