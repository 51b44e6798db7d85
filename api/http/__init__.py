"""The control API over HTTP: REST, GraphQL, streams, WebSocket, MCP."""
