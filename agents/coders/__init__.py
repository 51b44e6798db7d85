"""Coding agents with a command line of their own: started, heard, held and kept."""

from __future__ import annotations

from .asking import CliAgents, check_there, configured, wants_cli

__all__ = ["CliAgents", "check_there", "configured", "wants_cli"]
