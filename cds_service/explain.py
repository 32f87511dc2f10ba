"""A call told step by step: what was read, what was unknown and why, which row decided, and the cards."""

from __future__ import annotations

from rich.console import Console
from rich.rule import Rule

from . import knowledge
from .core.answers import Gap
from .core.plan import Decision
from .core.vocabulary import Side
from .errors import BadRequest
from .pipeline import Answer, Options, ServiceDesk
from .render import GAP_WORDS, assessment_words
from .settings import Settings
from .terminal import show_card
from .wire import json_object


def explain_request(body: bytes, settings: Settings, service_id: str | None, console: Console) -> None:
    """Answers the request in `body` in memory and prints how. Raises what a call raises."""
    desk = ServiceDesk(knowledge.load(settings.cards))
    if service_id is None:
        hook = json_object(body).get("hook")
        offered = desk.knowledge.offering.services.values()
        service_id = next((each.id for each in offered if each.hook == hook), None)
        if service_id is None:
            raise BadRequest(
                f"hook: none of our services answers it; they answer {', '.join(s.hook for s in offered)}."
            )
    options = Options(protocol=settings.protocol, public_url=settings.public_url)
    answer = desk.answer(service_id, desk.request(service_id, body), options)
    console.print(Rule(f"{service_id}, protocol {answer.guideline.protocol.id} {answer.guideline.protocol.version}"))
    _read(answer, console)
    _unknown(answer.gaps, console)
    for decision in answer.decisions:
        _decided(decision, console)
    console.print(Rule("Cards"))
    for card in answer.cards:
        show_card(card, console)
    if not answer.cards:
        console.print("No card: there is nothing to do.")


def _read(answer: Answer, console: Console) -> None:
    console.print("[bold]Read[/bold]")
    for study, said in zip(answer.record.studies, answer.record.verdicts, strict=True):
        console.print(f"  {study.date}  {study.reference}  {study.title}", markup=False)
        for side in (Side.LEFT, Side.RIGHT, Side.UNSTATED):
            if side in said:
                verdict = said[side]
                console.print(f"      {side.words}: {assessment_words(verdict)} ({verdict.state.value})", markup=False)
                for evidence in verdict.evidence:
                    console.print(
                        f"          {evidence.reference}, {evidence.place}: {evidence.statement}", markup=False
                    )
        if not said:
            console.print("      no assessment, and no findings to derive one from")
    if not answer.record.studies:
        console.print("  no final breast imaging study")


def _unknown(gaps: tuple[Gap, ...], console: Console) -> None:
    console.print("[bold]Not known[/bold]")
    for gap in gaps:
        console.print(f"  {gap.about}: {GAP_WORDS.get(gap.reason, gap.reason.value)}", markup=False)
    if not gaps:
        console.print("  nothing that was asked for is missing")


def _decided(decision: Decision, console: Console) -> None:
    situation, step = decision.situation, decision.step
    console.print(f"[bold]{situation.side.words.capitalize()}[/bold]")
    if decision.exclusion is not None:
        console.print(f"  left alone by row {decision.exclusion.id}: {decision.exclusion.title}")
    if decision.undecided is not None:
        console.print(f"  undecided at row {decision.undecided.row.id}: {decision.undecided.why.about} is not known")
    if decision.row is not None:
        console.print(f"  row {decision.row.id}: {decision.row.title}")
        for condition in decision.row.when:
            value = situation.facts[condition.fact]
            console.print(f"      {condition.fact} is {value}", markup=False)
    elif decision.exclusion is None and decision.undecided is None:
        console.print("  no row applies: nothing is on record to act upon")
    if step is not None:
        by = f" by {step.by}" if step.by else ""
        console.print(f"  step {step.kind.id}, due {step.due}, {step.status.value}{by}", markup=False)
    for check in decision.checks:
        console.print(f"  check {check.id}: {check.title}")
