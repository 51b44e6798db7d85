"""The WebSocket `/v1/ws`: streams, commands and conversations over one connection."""
