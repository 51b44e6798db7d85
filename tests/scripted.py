"""The scripted model over HTTP, where the tests of the house look for it."""

from __future__ import annotations

from assay.testing import Asked, Reply, Script, ScriptedModel, ToolCall

__all__ = ["Asked", "Reply", "Script", "ScriptedModel", "ToolCall"]
