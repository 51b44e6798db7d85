"""Tools of servers that speak the Model Context Protocol; needs `assay[mcp]`."""
