"""What tests in JavaScript stand on."""

from __future__ import annotations

from tests.api.http.conftest import served
from tests.api.js.modules import modules, node

__all__ = ["modules", "node", "served"]
