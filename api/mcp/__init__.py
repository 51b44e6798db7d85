"""The control API for agents: the Model Context Protocol, over HTTP and over stdio."""
