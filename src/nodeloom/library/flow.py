"""`transform` and `delay`."""

from __future__ import annotations

import difflib
from collections.abc import Collection, Mapping
from typing import Any

from nodeloom import Context, Field, Node, Params
from nodeloom.errors import ParamsError, Problem

__all__ = ["Delay", "Transform"]


class TransformParams(Params):
    values: dict[str, Any] = Field(
        default_factory=dict,
        label="Values",
        description="Output name to value; texts may hold {{ expressions }}, and one alone keeps its type.",
    )
    keep: list[str] = Field(default_factory=list, label="Keep", description="Inputs to pass on as they are.")


class Transform(Node):
    """Shape data: the values you name become the outputs, beside the inputs you keep.

    Raises: ParamsError when an input to keep is not there; the errors of an expression that fails.
    """

    identifier = "transform"
    display_name = "Transform"
    icon = "shuffle"
    category = "Flow"

    def output_names(self) -> Collection[str] | None:
        """Those of `values` and `keep`, where they are not of templates themselves, and `work` is this one."""
        values, keep = self.given.get("values", {}), self.given.get("keep", ())
        if type(self).work is not Transform.work or not isinstance(values, Mapping) or isinstance(keep, str):
            return None
        is_known = all(isinstance(name, str) and "{{" not in name for name in keep)
        names: Any = self.given.get("values", {})
        return [*map(str, names), *keep] if is_known else None

    async def work(self, params: TransformParams, inputs: Any) -> dict[str, Any]:
        for name in params.keep:
            if name not in inputs:
                raise _missing(name, list(inputs))
        return {**{name: inputs[name] for name in params.keep}, **params.values}


class DelayParams(Params):
    seconds: float = Field(
        ge=0, le=366 * 86_400, allow_inf_nan=False, label="Seconds", description="How long to wait, from 0."
    )


class Delay(Node):
    """Wait, then pass the inputs on. It holds no thread, and is cancelled at once when its engine stops."""

    identifier = "delay"
    display_name = "Delay"
    icon = "timer"
    category = "Flow"

    async def work(self, params: DelayParams, inputs: Any, ctx: Context) -> Any:
        await ctx.sleep(params.seconds)
        return inputs


def _missing(name: str, known: list[str]) -> ParamsError:
    near = difflib.get_close_matches(name, known, 1)
    hint = f"; did you mean {near[0]!r}?" if near else ""
    message = f"keep names an input {name!r}, which is not there{hint} (inputs: {', '.join(known) or 'none'})"
    return ParamsError(message, [Problem("params", message, field="params.keep")])
