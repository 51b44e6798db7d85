"""What stands in for a model in tests: scripts, cassettes, and a clock that can be set."""
