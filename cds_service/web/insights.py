"""How the service is used: cards shown, accepted and overridden, what was not known, and answer times; for those who
signed in."""

from __future__ import annotations

import csv
import hashlib
import hmac
import io
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from flask import Blueprint, Response, abort, make_response, redirect, render_template, request, session, url_for
from flask.blueprints import BlueprintSetupState
from werkzeug.security import check_password_hash, generate_password_hash
from werkzeug.wrappers import Response as AnyResponse

from ..core.concordance import Concern
from ..errors import TooMany
from ..knowledge import Knowledge
from ..settings import Settings
from ..store import Insights as Figures
from ..store import Store, StoreDown
from ..store.insights import CardCounts
from . import limits
from .limits import Rates

SIGNED_IN_SECONDS = 8 * 3600
MONTHS = (1, 3, 12)
"""The periods on offer, the last one the default."""
BAR = 240
"""Units of the longest bar."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Line:
    """One line of a chart with its figures: what became of the cards of one row, hook, client or month."""

    name: str
    words: str
    shown: int
    accepted: int
    overridden: int
    accepted_width: float
    overridden_width: float
    width: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Count:
    """How often something was met."""

    words: str
    times: int
    width: float


class Insights:
    """The pages of insights, their CSV files, and the way in."""

    def __init__(self, store: Store, knowledge: Knowledge, settings: Settings) -> None:
        self._store, self._knowledge, self._settings = store, knowledge, settings
        self._attempts = Rates(1 / 60, most_at_once=5)

    def register(self, routes: Blueprint) -> None:
        """Adds the routes, and sets up the cookie."""
        routes.record(self._set_up_cookie)
        routes.get("/insights")(self.insights)
        routes.get("/insights/<table>.csv")(self.table)
        routes.get("/insights/sign-in")(self.sign_in)
        routes.post("/insights/sign-in")(self.signed_in)
        routes.post("/insights/sign-out")(self.sign_out)

    def _set_up_cookie(self, state: BlueprintSetupState) -> None:
        state.app.config.update(
            SECRET_KEY=self._settings.session_secret or None,
            SESSION_COOKIE_NAME="cds_insights",
            SESSION_COOKIE_HTTPONLY=True,
            SESSION_COOKIE_SAMESITE="Lax",
            SESSION_COOKIE_SECURE=self._settings.public_url.startswith("https://"),
            SESSION_COOKIE_PATH="/insights",
        )

    # ------------------------------------------------------------------------------
    # The way in

    def _keep_out(self) -> AnyResponse | None:
        """What is answered to somebody who may not look; None for somebody who may."""
        if self._settings.development:
            return None
        self._be_on()
        since = session.get("since", 0)
        is_signed_in = hmac.compare_digest(str(session.get("by", "")), self._mark())
        if is_signed_in and 0 <= time.time() - since < SIGNED_IN_SECONDS:
            return None
        return redirect(url_for("pages.sign_in"))

    def _be_on(self) -> None:
        """Answers 403 where no password opens the insights."""
        if not self._settings.insights_password_hash:
            abort(make_response(render_template("insights_off.html"), 403))

    def _mark(self) -> str:
        """Tells in the cookie which password was given, so that a new one ends all sessions."""
        return hashlib.sha256(self._settings.insights_password_hash.encode()).hexdigest()[:32]

    def sign_in(self) -> str:
        """The form."""
        self._be_on()
        return render_template("sign_in.html", problem="")

    def signed_in(self) -> AnyResponse | tuple[str, int]:
        """Checks the password; a few attempts from one address, then one a minute."""
        self._be_on()
        try:
            self._attempts.admit(limits.address())
        except TooMany as error:
            return render_template("sign_in.html", problem=error.public), error.status
        if not check_password_hash(self._settings.insights_password_hash, request.form.get("password", "")):
            return render_template("sign_in.html", problem="That is not the password."), 401
        session.update(by=self._mark(), since=int(time.time()))
        return redirect(url_for("pages.insights"))

    def sign_out(self) -> AnyResponse:
        """Ends the session."""
        session.clear()
        return redirect(url_for("pages.home"))

    # ------------------------------------------------------------------------------
    # The figures

    def insights(self) -> AnyResponse:
        """Everything on one page."""
        refused = self._keep_out()
        if refused is not None:
            return refused
        months, figures = self._figures()
        return _private(
            render_template(
                "insights.html",
                figures=figures,
                months=months,
                periods=MONTHS,
                total=_line("", "", figures.cards, 1),
                charts=self._charts(figures),
                reasons=_counts(
                    (f"{self._reason(each.code)}: {self._row(each.row)}", each.times)
                    for each in figures.override_reasons
                ),
                unknowns=_counts((each.name.replace("-", " "), each.times) for each in figures.unknowns),
                codes=_counts((each.name, each.times) for each in figures.codes_not_understood),
                slowest=max((each.percentiles[-1][1] for each in figures.durations), default=1) or 1,
                bar=BAR,
                is_open=self._settings.development,
            )
        )

    def _figures(self) -> tuple[int, Figures]:
        """The months that were asked for, and their figures. Answers 503 where the store is down."""
        asked = request.args.get("months", str(MONTHS[-1]))
        if asked not in map(str, MONTHS):
            abort(404)
        months, until = int(asked), datetime.now(UTC) + timedelta(minutes=1)
        try:
            return months, self._store.insights(until - timedelta(days=31 * months), until)
        except StoreDown:
            page = render_template("insights.html", figures=None, months=months, periods=MONTHS)
            abort(make_response(page, 503))

    def _charts(self, figures: Figures) -> Sequence[tuple[str, Sequence[Line]]]:
        by: Mapping[str, tuple[Callable[[CardCounts], str], Callable[[str], str]]] = {
            "row": (lambda each: each.row, self._row),
            "hook": (lambda each: each.service, self._hook),
            "client": (lambda each: each.client, str),
            "month": (lambda each: f"{each.month:%Y-%m}", str),
        }
        return [(name, _lines(figures.cards, key, words, by_name=name == "month")) for name, (key, words) in by.items()]

    def _row(self, row: str) -> str:
        for guideline in self._knowledge.guidelines.values():
            for each in (*guideline.protocol.decisions, *guideline.protocol.checks):
                if each.id == row:
                    return each.title
        return next((concern.value.replace("-", " ") for concern in Concern if concern.topic == row), row)

    def _hook(self, service: str) -> str:
        offered = self._knowledge.offering.services.get(service)
        return offered.hook if offered else service

    def _reason(self, code: str) -> str:
        for guideline in self._knowledge.guidelines.values():
            if code in guideline.wording.override_reasons:
                return guideline.wording.override_reasons[code]
        return code or "No reason given"

    def table(self, table: str) -> AnyResponse:
        """One table as CSV."""
        refused = self._keep_out()
        if refused is not None:
            return refused
        _, figures = self._figures()
        tables: Mapping[str, tuple[Sequence[str], Iterable[Sequence[object]]]] = {
            "cards": (
                ("month", "row", "service", "client", "shown", "accepted", "overridden"),
                (
                    (f"{c.month:%Y-%m}", c.row, c.service, c.client, c.shown, c.accepted, c.overridden)
                    for c in figures.cards
                ),
            ),
            "override-reasons": (
                ("row", "system", "code", "times"),
                ((r.row, r.system, r.code, r.times) for r in figures.override_reasons),
            ),
            "unknowns": (("reason", "times"), ((each.name, each.times) for each in figures.unknowns)),
            "codes": (("code", "calls"), ((each.name, each.times) for each in figures.codes_not_understood)),
            "answer-times": (
                ("service", "calls", "percentile", "milliseconds"),
                ((d.service, d.calls, percent, millis) for d in figures.durations for percent, millis in d.percentiles),
            ),
        }
        if table not in tables:
            abort(404)
        response = _private(_csv(*tables[table]))
        response.mimetype = "text/csv"
        response.headers["Content-Disposition"] = f'attachment; filename="{table}.csv"'
        return response


def _lines(
    cards: Sequence[CardCounts], key: Callable[[CardCounts], str], words: Callable[[str], str], *, by_name: bool
) -> list[Line]:
    groups: dict[str, list[CardCounts]] = {}
    for each in cards:
        groups.setdefault(key(each), []).append(each)
    longest = max((sum(each.shown for each in group) for group in groups.values()), default=1)
    lines = [_line(name, words(name), group, longest) for name, group in groups.items()]
    return sorted(lines, key=lambda line: line.name if by_name else (-line.shown, line.name))


def _line(name: str, words: str, cards: Sequence[CardCounts], longest: int) -> Line:
    shown, accepted, overridden = (
        sum(getattr(each, field) for each in cards) for field in ("shown", "accepted", "overridden")
    )
    unit = BAR / longest
    return Line(
        name=name,
        words=words,
        shown=shown,
        accepted=accepted,
        overridden=overridden,
        accepted_width=round(accepted * unit, 1),
        overridden_width=round(overridden * unit, 1),
        width=round(shown * unit, 1),
    )


def _counts(found: Iterable[tuple[str, int]]) -> list[Count]:
    lines = list(found)
    longest = max((times for _, times in lines), default=1)
    return [Count(words=words, times=times, width=round(BAR * times / longest, 1)) for words, times in lines]


def _csv(heads: Sequence[str], rows: Iterable[Sequence[object]]) -> str:
    """CSV in which no cell is taken for a formula by a spreadsheet: client names and reasons come from outside."""
    content = io.StringIO()
    writer = csv.writer(content)
    writer.writerow(heads)
    writer.writerows([_cell(value) for value in row] for row in rows)
    return content.getvalue()


def _cell(value: object) -> object:
    return f"'{value}" if isinstance(value, str) and value.startswith(("=", "+", "-", "@", "\t", "\r")) else value


def _private(content: str) -> Response:
    response = Response(content, mimetype="text/html")
    response.headers["Cache-Control"] = "no-store"
    return response


def hashed(password: str) -> str:
    """What the setting for the password of insights holds (scrypt)."""
    return generate_password_hash(password, method="scrypt")
