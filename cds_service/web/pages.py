"""Pages for the people around the service, rendered from the knowledge folder; no patient data in them."""

from __future__ import annotations

from flask import Blueprint, abort, render_template, request
from markdown_it import MarkdownIt
from markupsafe import Markup

from ..core.concordance import Concern
from ..core.protocol import Row
from ..knowledge import CardText, Guideline, Knowledge
from ..pipeline import Options
from . import explained

LANGUAGES = {"en": "English", "es": "Español"}
"""The languages of the patient page, the first one the default."""


def blueprint(knowledge: Knowledge, options: Options) -> Blueprint:
    """The routes of the pages; Markdown of the knowledge folder is rendered once."""
    routes = Blueprint(
        "pages", __name__, template_folder="templates", static_folder="static", static_url_path="/static"
    )
    markdown = MarkdownIt("commonmark", {"html": False})
    patient_pages = {
        language: Markup(  # noqa: S704 (rendered from our own file, HTML switched off)
            markdown.render((knowledge.folder / "patient-pages" / f"calcifications.{language}.md").read_text("utf-8"))
        )
        for language in LANGUAGES
    }

    @routes.get("/")
    def home() -> str:
        return render_template("home.html", knowledge=knowledge, options=options)

    @routes.get("/patient/calcifications")
    def patient() -> str:
        language = request.args.get("lang") or request.accept_languages.best_match(list(LANGUAGES)) or "en"
        if language not in LANGUAGES:
            abort(404)
        return render_template("patient.html", content=patient_pages[language], language=language, languages=LANGUAGES)

    @routes.get("/explain/<protocol>/<version>/<row_id>")
    def explain(protocol: str, version: str, row_id: str) -> str:
        guideline = knowledge.guidelines.get(protocol)
        if guideline is None:
            abort(404)
        row, words = _row(guideline, row_id)
        if words is None:
            abort(404)
        return render_template(
            "explain.html",
            guideline=guideline,
            asked_version=version,
            row=row,
            row_id=row_id,
            words=explained.sentences(words),
            conditions=explained.conditions(row) if row else [],
            catalogue=knowledge.catalogue,
        )

    @routes.get("/protocols/<protocol>")
    def protocol_page(protocol: str) -> str:
        guideline = knowledge.guidelines.get(protocol)
        if guideline is None:
            abort(404)
        return render_template(
            "protocol.html", guideline=guideline, conditions=explained.conditions, catalogue=knowledge.catalogue
        )

    return routes


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
