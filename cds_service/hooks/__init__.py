"""One module for each hook: its context, where its drafts are, and which answers it wants."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from importlib import import_module
from typing import Any

from ..core.concordance import Concern

Json = dict[str, Any]


@dataclass(frozen=True, slots=True, kw_only=True)
class Hook:
    """What a hook brings and wants.

    `required` and `optional` are the fields of its context with their kinds (`id`, `reference`, `references`,
    `bundle`). `drafts` gives the bundle of draft orders, `selected` the references that the user looks at, None for
    all of them.
    """

    name: str
    required: Mapping[str, str]
    optional: Mapping[str, str] = field(default_factory=dict)
    drafts: Callable[[Json], object] = lambda context: None
    selected: Callable[[Json], list[str] | None] = lambda context: None
    is_about_orders: bool = False
    """Guidance answers what is being ordered; otherwise it shows every open step."""
    concerns: frozenset[Concern] = frozenset()
    """What may be said of an order."""


def load(name: str) -> Hook:
    """The hook of that name. Raises `LookupError` where no module describes it."""
    try:
        module = import_module(f"{__name__}.{name.replace('-', '_')}")
    except ModuleNotFoundError:
        raise LookupError(name) from None
    hook: Hook = module.HOOK
    return hook
