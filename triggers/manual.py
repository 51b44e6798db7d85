"""Triggers that only a person or another program fires: `assay trigger fire`, `fireTrigger`."""

from __future__ import annotations

from typing import Literal

from ..graphs.firing import Trigger
from ..graphs.trigger import Fire, TriggerSpec


class ManualTrigger(TriggerSpec):
    """Fired by hand, or by a program that says so."""

    type: Literal["manual"]


class Manual:
    model = ManualTrigger

    async def listen(self, trigger: Trigger, spec: TriggerSpec, fire: Fire) -> None:
        """Nothing: somebody says when."""
        del trigger, spec, fire
