"""The playground: an EHR with invented patients in the browser, and the service that answers it, in one process.

The chart of a session lives in the page. Nothing that is sent here is kept, and only synthetic data belongs here. Where
the operator has named a FHIR server, each visit puts its patient there, and the service fetches the record from it.
"""

from __future__ import annotations

import base64
import re
import secrets
import time
import uuid
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import orjson
from flask import Blueprint, Response, abort, render_template, request
from markdown_it import MarkdownIt
from markupsafe import Markup

from .. import hooks
from ..core.vocabulary import Side
from ..errors import BadRequest, ServiceError, WrongMediaType
from ..fhir_client import FhirAccess
from ..fhir_elements import Json, objects, reference, text
from ..fhir_elements import name as name_of
from ..pipeline import Answer, Options, ServiceDesk, World
from ..reading.reader import ReportReader
from ..reading.text import Text
from ..settings import Settings
from ..store import Store
from ..synthetic import charts, orderables
from ..synthetic.ehr import Ehr
from ..wire import dumped, json_object
from . import explained, limits, observed, timeline
from .limits import Rates
from .marked import Passage, passages

MOST_ORDERS = 20
"""Orders that one session may hold."""
MOST_BYTES = 500_000
"""The largest body of a page's own call, and the largest text that may be pasted."""
CALLS_A_MINUTE = 240
CLIENT = "playground"
"""What the records of the playground are kept under in trial mode; otherwise none are kept."""
PATIENT_VIEW = "patient-view"
_VISIT = re.compile(r"[0-9a-f]{8}")


@dataclass(frozen=True, slots=True)
class _Session:
    """What the page says of its chart: signed orders, drafts, and which drafts were just selected."""

    orders: list[Json]
    drafts: list[Json]
    selections: list[str]

    @classmethod
    def of(cls, body: bytes) -> _Session:
        content = json_object(body)
        held = {key: objects(content.get(key)) for key in ("orders", "drafts")}
        for key, found in held.items():
            if len(found) > MOST_ORDERS or not all(text(each.get("resourceType")) for each in found):
                raise BadRequest(f"{key}: has to be a list of at most {MOST_ORDERS} resources.")
        selections = content.get("selections", [])
        if not isinstance(selections, list) or not all(isinstance(each, str) for each in selections):
            raise BadRequest("selections: has to be a list of references.")
        return cls(held["orders"], held["drafts"], selections)

    @property
    def draft_references(self) -> list[str]:
        return [f"{draft['resourceType']}/{draft.get('id', '')}" for draft in self.drafts]


@dataclass(frozen=True, slots=True, kw_only=True)
class Report:
    """One report of a chart for reading: its text in passages, and what was read from its codes."""

    reference: str
    title: str
    day: str
    passages: Sequence[Passage]
    language: str
    codes: Sequence[str]


class Playground:
    """The pages and calls of the playground."""

    def __init__(self, desk: ServiceDesk, store: Store, options: Options, settings: Settings, world: World) -> None:
        self._desk, self._store, self._options, self._settings, self._world = desk, store, options, settings, world
        self._ehr: Ehr | None = None
        if server := settings.playground_fhir_server:
            self._ehr = Ehr(base=server, seconds=settings.fhir_budget_seconds, ca_file=settings.fhir_ca_file)
            access = FhirAccess(servers=(server,), allow_http=settings.development, is_open=True)
            self._options = replace(options, fhir=access)
        self._attempts = Rates(CALLS_A_MINUTE / 60, most_at_once=CALLS_A_MINUTE)
        self._reader = ReportReader(desk.knowledge.languages)
        self._service_of = {service.hook: service.id for service in desk.knowledge.offering.services.values()}
        # Words from patient data are escaped on the card all the same; a link or a picture is never meant there.
        self._markdown = MarkdownIt("commonmark", {"html": False}).disable(["image", "link", "autolink"])

    def register(self, routes: Blueprint) -> None:
        """Adds the routes of the playground."""
        routes.add_app_template_filter(self._rendered, "markdown")
        routes.get("/playground")(self.gallery)
        routes.get("/playground/paste")(self.paste)
        routes.post("/playground/paste")(self.pasted)
        routes.get("/playground/<name>")(self.patient)
        routes.post("/playground/<name>/order")(self.order)
        routes.post("/playground/<name>/timeline")(self.timeline)
        routes.post("/playground/<name>/hooks/<hook>")(self.fire)
        if self._ehr:
            routes.post("/playground/<name>/visit")(self.begin_visit)
            routes.post("/playground/<name>/record")(self.record)

    def _rendered(self, words: str) -> Markup:
        return Markup(self._markdown.render(words))  # noqa: S704 (rendered with HTML, links and images switched off)

    # ------------------------------------------------------------------------------
    # Pages

    def gallery(self) -> str:
        """All patients, each with what the newest assessments of both breasts say."""
        found = []
        for name in charts.names():
            chart = self._chart(name)
            answer = self._opened(chart.resources)
            found.append((chart, timeline.drawn(answer, self._desk.knowledge.catalogue), len(answer.cards)))
        return render_template("gallery.html", patients=found)

    def patient(self, name: str) -> str:
        """One patient's chart, with a visit of its own where there is a FHIR server."""
        visit = secrets.token_hex(4) if self._ehr else ""
        chart = self._chart(name, visit)
        answer = self._opened(chart.resources)
        catalogue = self._desk.knowledge.catalogue
        return render_template(
            "chart.html",
            chart=chart,
            visit=visit,
            server=self._settings.playground_fhir_server,
            names=charts.names(),
            timeline=timeline.drawn(answer, catalogue),
            reports=self._reports(answer, chart.resources),
            orderables=list(orderables.orderables(catalogue)),
            feedback=self._settings.development,
            services=self._service_of,
        )

    def paste(self) -> str:
        """The form for a request or a report of one's own."""
        return render_template("paste.html", asked="", problems=(), answer=None, most=MOST_BYTES)

    def pasted(self) -> tuple[str, int]:
        """What the service makes of a pasted request or report, step by step. Nothing of it is kept."""
        self._limit()
        asked = request.form.get("asked", "").strip()
        try:
            if not asked:
                raise BadRequest("Paste a CDS Hooks request in JSON, or the text of a report.")
            found = self._told_request(asked) if asked.startswith("{") else self._told_report(asked)
        except ServiceError as error:
            return (
                render_template("paste.html", asked=asked, problems=error.diagnostics, answer=None, most=MOST_BYTES),
                error.status,
            )
        return render_template("paste.html", asked=asked, problems=(), most=MOST_BYTES, **found), 200

    def _told_request(self, asked: str) -> dict[str, Any]:
        hook = json_object(asked.encode()).get("hook")
        if not isinstance(hook, str) or hook not in self._service_of:
            raise BadRequest(f"hook: has to be one of {', '.join(self._service_of)}.")
        service = self._service_of[hook]
        answer = self._desk.answer(service, self._desk.request(service, asked.encode()), self._options, self._world)
        return self._told(answer) | {"service": service}

    def _told_report(self, asked: str) -> dict[str, Any]:
        chart = charts.of_report(asked, self._world.today())
        reading = self._reader.reading(Text(asked))
        return self._told(self._opened(chart)) | {"passages": passages(reading), "language": reading.language}

    def _told(self, answer: Answer) -> dict[str, Any]:
        return {
            "answer": answer,
            "timeline": timeline.drawn(answer, self._desk.knowledge.catalogue),
            "facts": explained.facts,
            "verdict_words": explained.verdict_words,
            "gap_words": explained.gap_words,
            "body": _pretty(dumped(answer.cards)),
        }

    # ------------------------------------------------------------------------------
    # Calls of the page

    def order(self, name: str) -> Response:
        """The draft that an EHR makes of a picked order."""
        self._limit()
        asked = json_object(request.get_data(cache=False))
        chart = self._visited(name)
        try:
            side = Side(asked.get("side", Side.UNSTATED))
            draft = orderables.draft(
                self._desk.knowledge.catalogue,
                text(asked.get("order")),
                side,
                chart.patient["id"],
                self._world.today(),
                text(asked.get("ident"))[:64],
            )
        except (KeyError, ValueError):
            raise BadRequest("order, side: there is no such order in the picker.") from None
        return _json({"draft": draft})

    def timeline(self, name: str) -> Response:
        """The timeline with the orders of the session."""
        self._limit()
        session = _Session.of(request.get_data(cache=False))
        return _json({"timeline": self._picture(self._visited(name), session)})

    def begin_visit(self, name: str) -> Response:
        """Puts the patient of a visit on the FHIR server. Raises `NotPutOnServer`."""
        self._limit()
        self._on_server(self._visited(name).resources)
        return _json({})

    def record(self, name: str) -> Response:
        """Puts orders of a visit on the FHIR server, and takes others away. Raises `NotPutOnServer`."""
        self._limit()
        patient, content = self._visited(name).patient, json_object(request.get_data(cache=False))
        orders, gone = objects(content.get("orders")), content.get("gone", [])
        own = re.compile(rf"(ServiceRequest|MedicationRequest)/draft-{request.args['visit']}-\d{{1,6}}")
        if not isinstance(gone, list) or len(orders) + len(gone) > MOST_ORDERS:
            raise BadRequest(f"orders, gone: have to be lists of at most {MOST_ORDERS} together.")
        if not all(own.fullmatch(text(each)) for each in [*map(name_of, orders), *gone]):
            raise BadRequest("orders, gone: have to be orders that were made in this visit.")
        if any(reference(each.get("subject")) != name_of(patient) for each in orders):
            raise BadRequest("orders: have to be for the patient of this visit.")
        self._on_server(orders, gone)
        return _json({})

    def fire(self, name: str, hook: str) -> Response:
        """Fires a hook as the EHR would: the cards as a clinician sees them, and the exact request and answer."""
        self._limit()
        chart = self._visited(name)
        session = _Session.of(request.get_data(cache=False))
        if hook not in self._service_of:
            abort(404)
        service = self._service_of[hook]
        is_about_orders = hooks.load(hook).is_about_orders
        on_record = [*chart.resources, *session.orders, *(() if is_about_orders else session.drafts)]
        content = charts.hook_request(
            on_record,
            hook,
            hook_instance=str(uuid.uuid4()),
            drafts=session.drafts,
            selections=session.selections,
        )
        if self._ehr:
            del content["prefetch"]
            content["fhirServer"] = self._ehr.base
        asked = orjson.dumps(content)
        begun = time.perf_counter()
        answer = self._desk.answer(service, self._desk.request(service, asked), self._options, self._world)
        body = dumped(answer.cards)
        millis = (time.perf_counter() - begun) * 1000
        if self._settings.development:
            observed.call().service, observed.call().client = service, CLIENT
            self._store.add_decision(observed.answered(answer))
        return _json(
            {
                "cards": answer.cards,
                "html": render_template("cards.html", cards=answer.cards, hook=hook),
                "service": service,
                "request": _pretty(asked),
                "answer": _pretty(body),
                "millis": round(millis, 1),
                "timeline": self._picture(chart, session),
            }
        )

    # ------------------------------------------------------------------------------

    def _limit(self) -> None:
        request.max_content_length = request.max_form_memory_size = MOST_BYTES
        self._attempts.admit(limits.address())

    def _chart(self, name: str, visit: str = "") -> charts.Chart:
        if name not in charts.names():
            abort(404)
        return charts.chart(name, self._world.today(), visit)

    def _visited(self, name: str) -> charts.Chart:
        """The chart that a call of the page is about."""
        if not self._ehr:
            return self._chart(name)
        if not request.is_json:  # which a form of another site cannot send
            raise WrongMediaType
        visit = request.args.get("visit", "")
        if not _VISIT.fullmatch(visit):
            raise BadRequest("visit: has to be the one that the page was given.")
        return self._chart(name, visit)

    def _on_server(self, resources: Sequence[Json], gone: Sequence[str] = ()) -> None:
        if self._ehr:
            self._ehr.put(resources, gone)

    def _opened(self, resources: Sequence[Json]) -> Answer:
        """The answer as the chart is opened."""
        service = self._service_of[PATIENT_VIEW]
        asked = charts.hook_request(resources, PATIENT_VIEW, hook_instance=str(uuid.uuid4()))
        return self._desk.answer(service, self._desk.request(service, orjson.dumps(asked)), self._options, self._world)

    def _picture(self, chart: charts.Chart, session: _Session) -> str:
        answer = self._opened([*chart.resources, *session.orders, *session.drafts])
        drawing = timeline.drawn(answer, self._desk.knowledge.catalogue, session.draft_references)
        return render_template("timeline.html", timeline=drawing)

    def _reports(self, answer: Answer, resources: Sequence[Json]) -> list[Report]:
        verdicts = {
            study.reference: said for study, said in zip(answer.record.studies, answer.record.verdicts, strict=True)
        }
        found = []
        for resource in resources:
            if resource["resourceType"] != "DiagnosticReport":
                continue
            reference = f"DiagnosticReport/{resource['id']}"
            reading = self._reader.reading(Text(_written(resource)))
            codes = [
                f"{side.words}: {explained.verdict_words(verdict)}, {evidence.statement}"
                for side, verdict in verdicts.get(reference, {}).items()
                for evidence in verdict.evidence
                if evidence.place not in ("conclusion", "presentedForm")
            ]
            found.append(
                Report(
                    reference=reference,
                    title=resource["code"]["coding"][0]["display"],
                    day=resource["effectiveDateTime"][:10],
                    passages=passages(reading),
                    language=reading.language,
                    codes=codes,
                )
            )
        return sorted(found, key=lambda report: report.day, reverse=True)


def _written(report: Json) -> str:
    attached = [base64.b64decode(form["data"]).decode() for form in report.get("presentedForm", ())]
    return "\n".join([*attached, report.get("conclusion", "")]).strip()


def _pretty(body: bytes) -> str:
    return orjson.dumps(orjson.loads(body), option=orjson.OPT_INDENT_2).decode()


def _json(content: Json) -> Response:
    response = Response(orjson.dumps(content), mimetype="application/json")
    response.headers["Cache-Control"] = "no-store"
    return response
