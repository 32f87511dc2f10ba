"""Pages for the people around the service, rendered from the knowledge folder; no patient data in them."""

from __future__ import annotations

import re
from collections.abc import Sequence

from flask import Blueprint, Response, abort, render_template, request
from markdown_it import MarkdownIt
from markupsafe import Markup

from ..core.concordance import Concern
from ..core.protocol import Row
from ..core.vocabulary import Distribution
from ..knowledge import CardText, Guideline, Knowledge
from ..pipeline import Options, ServiceDesk, World
from ..settings import Settings
from ..store import Store
from . import explained, schedule
from .insights import Insights
from .metrics import is_up
from .playground import Playground

LANGUAGES = {"en": "English", "es": "Español"}
"""The languages of the patient page, the first one the default."""
POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self'; form-action 'self'; "
    "base-uri 'none'; frame-ancestors 'none'"
)
"""What a page may load: its own style, its own script, and nothing from another host."""


def blueprint(desk: ServiceDesk, store: Store, options: Options, settings: Settings, world: World) -> Blueprint:
    """The routes of the pages; what comes from the knowledge folder alone is prepared once."""
    routes = Blueprint(
        "pages", __name__, template_folder="templates", static_folder="static", static_url_path="/static"
    )
    knowledge = desk.knowledge
    patient_pages = {language: _patient_page(knowledge, language) for language in LANGUAGES}
    schedules = {id: schedule.drawn(guideline.protocol) for id, guideline in knowledge.guidelines.items()}
    Playground(desk, store, options, settings, world).register(routes)
    Insights(store, knowledge, settings).register(routes)

    @routes.get("/")
    def home() -> str:
        return render_template("home.html", knowledge=knowledge, options=options, is_well=is_up(store))

    @routes.get("/patient/calcifications")
    def patient_page() -> str:
        language = request.args.get("lang") or request.accept_languages.best_match(list(LANGUAGES)) or "en"
        if language not in LANGUAGES:
            abort(404)
        return render_template("patient.html", sections=patient_pages[language], language=language, languages=LANGUAGES)

    @routes.get("/explain/<protocol>/<version>/<row_id>")
    def explain(protocol: str, version: str, row_id: str) -> str:
        guideline = _guideline(knowledge, protocol)
        row, words = _row(guideline, row_id)
        if words is None:
            abort(404)
        return render_template(
            "explain.html",
            guideline=guideline,
            asked_version=version,
            row=row,
            words=explained.sentences(words),
            conditions=explained.conditions,
            catalogue=knowledge.catalogue,
        )

    @routes.get("/protocols")
    def protocols() -> str:
        return render_template("protocols.html", knowledge=knowledge, options=options)

    @routes.get("/protocols/<protocol>")
    def protocol_page(protocol: str) -> str:
        guideline = _guideline(knowledge, protocol)
        return render_template(
            "protocol.html",
            guideline=guideline,
            schedule=schedules[protocol],
            conditions=explained.conditions,
            interval=explained.interval,
            derivation=_derivation(guideline),
            distributions=list(Distribution),
            catalogue=knowledge.catalogue,
            is_in_use=protocol == options.protocol,
        )

    @routes.after_request
    def guard(response: Response) -> Response:
        response.headers["Content-Security-Policy"] = POLICY
        response.headers["X-Content-Type-Options"] = "nosniff"
        response.headers["Referrer-Policy"] = "no-referrer"
        return response

    return routes


def _guideline(knowledge: Knowledge, protocol: str) -> Guideline:
    if protocol not in knowledge.guidelines:
        abort(404)
    return knowledge.guidelines[protocol]


def _patient_page(knowledge: Knowledge, language: str) -> Sequence[Markup]:
    """The patient page, one part for each heading, so that a drawing can stand beside its words."""
    words = (knowledge.folder / "patient-pages" / f"calcifications.{language}.md").read_text("utf-8")
    markdown = MarkdownIt("commonmark", {"html": False})
    return [
        Markup(markdown.render(part))  # noqa: S704 (rendered from our own file, HTML switched off)
        for part in re.split(r"^(?=## )", words, flags=re.MULTILINE)
    ]


def _derivation(guideline: Guideline) -> Sequence[tuple[str, Sequence[tuple[str, str, str]]]]:
    """The table of morphology by distribution: category, its group and what changes it, morphologies alike together."""
    cells = guideline.protocol.derivation.cells
    lines: dict[tuple[tuple[str, str, str], ...], list[str]] = {}
    for morphology in dict.fromkeys(morphology for morphology, _ in cells):
        line = []
        for distribution in Distribution:
            cell = cells[morphology, distribution]
            changes = ", ".join(
                f"{pattern.value.replace('-', ' ')}: {each.value}" for pattern, each in cell.when.items()
            )
            line.append((cell.category.value, cell.category.group.value, changes))
        lines.setdefault(tuple(line), []).append(morphology.value.replace("_", " "))
    return [(", ".join(names), line) for line, names in lines.items()]


def _row(guideline: Guideline, row_id: str) -> tuple[Row | None, CardText | None]:
    """A row of a protocol with its words, or the concern that a card spoke of without one."""
    protocol, wording = guideline.protocol, guideline.wording
    for rows, texts in ((protocol.decisions, wording.rows), (protocol.checks, wording.checks)):
        for row in rows:
            if row.id == row_id:
                return row, texts.get(row_id)
    for concern in Concern:
        if concern.topic == row_id:
            return None, wording.concerns[concern]
    return None, None
