"""A card as a clinician would see it, in the terminal."""

from __future__ import annotations

from rich.console import Console, Group
from rich.markdown import Markdown
from rich.panel import Panel
from rich.text import Text

from .fhir_elements import Json

_COLOURS = {"info": "blue", "warning": "yellow", "critical": "red"}


def show_card(card: Json, console: Console) -> None:
    """Prints a card: summary, detail, what can be accepted, how it can be declined, where to read more."""
    colour = _COLOURS[card["indicator"]]
    parts: list[object] = [Text(card["summary"], style="bold"), Text(), Markdown(card["detail"])]
    for suggestion in card.get("suggestions", ()):
        recommended = "  (recommended)" if suggestion.get("isRecommended") else ""
        parts += [Text(), Text(f"[ {suggestion['label']} ]{recommended}", style=f"{colour} bold")]
        parts += [Text(f"    {action['type']}: {action['description']}") for action in suggestion["actions"]]
    if card.get("overrideReasons"):
        reasons = ", ".join(reason["display"] for reason in card["overrideReasons"])
        parts += [Text(), Text(f"Decline because: {reasons}", style="dim")]
    parts += [Text(f"{link['label']}: {link['url']}", style="dim") for link in card["links"]]
    title = f"{card['indicator']} · {card['source']['label']}"
    console.print(Panel(Group(*parts), title=title, border_style=colour, padding=(1, 2)))  # type: ignore[arg-type]
