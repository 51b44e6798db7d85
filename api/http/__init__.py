"""What every surface over HTTP stands on: the door of a server; and REST and SSE."""
