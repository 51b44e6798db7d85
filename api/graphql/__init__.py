"""The control API as a graph: queries, mutations, and subscriptions that lose nothing."""
