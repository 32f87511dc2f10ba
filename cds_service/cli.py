"""The command line; `cds-service --help` lists what it can do."""

from __future__ import annotations

import ipaddress
import json
import os
import sys
from collections.abc import Iterable, Sequence
from datetime import datetime
from pathlib import Path
from typing import IO, NoReturn

import click
from rich.console import Console

from . import cases, clients, knowledge
from .errors import ClientsError, KnowledgeError, ServiceError
from .fhir_orders import check_templates
from .settings import VARIABLES, Settings, SettingsError

console = Console(highlight=False)


class _Commands(click.Group):
    """Tells what is wrong with the knowledge folder, whichever command reads it."""

    def invoke(self, ctx: click.Context) -> object:
        try:
            return super().invoke(ctx)
        except KnowledgeError as error:
            lines = "\n  ".join(error.problems)
            raise click.ClickException(f"the knowledge folder cannot be used:\n  {lines}") from None


@click.group(cls=_Commands, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(package_name="breast-imaging-cds")
def main() -> None:
    """Clinical decision support for breast imaging over CDS Hooks."""


def _settings(**overrides: object) -> Settings:
    """The settings of the environment, overridden by options that were given."""
    environ = dict(os.environ)
    environ.update({VARIABLES[name]: str(value) for name, value in overrides.items() if value is not None})
    try:
        return Settings.from_environ(environ)
    except SettingsError as error:
        raise click.ClickException("these settings cannot be used:\n  " + "\n  ".join(error.problems)) from None


def _checked_knowledge(folder: Path) -> knowledge.Knowledge:
    """The knowledge of a folder. Raises `KnowledgeError` with everything that is wrong with it: form, cross references,
    FHIR, and cases."""
    loaded = knowledge.shared(folder)
    problems = [*check_templates(loaded.catalogue), *cases.problems(loaded)]
    if problems:
        raise KnowledgeError(problems)
    return loaded


def _complain(problems: Sequence[str], folder: Path) -> NoReturn:
    for problem in problems:
        console.print(problem, markup=False, soft_wrap=True)
    console.print(f"{len(problems)} problem{'s' if len(problems) > 1 else ''} in {folder}", style="red")
    sys.exit(1)


@main.command("check-cards")
@click.argument("folder", type=click.Path(path_type=Path), default=knowledge.DEFAULT_FOLDER)
def check_cards(folder: Path) -> None:
    """Check a knowledge folder: every row cited, reachable, worded and covered by a case; every fact and code known.

    Exits with 1 and one line for each problem (file: row and field: what is wrong), so an edit can be judged without
    starting the service.
    """
    try:
        loaded = _checked_knowledge(folder)
    except KnowledgeError as error:
        _complain(error.problems, folder)
    count = sum(1 for _ in cases.outcomes(loaded))
    rows = sum(len(guideline.protocol.decisions) for guideline in loaded.guidelines.values())
    console.print(f"{folder}: {len(loaded.guidelines)} protocols, {rows} decision rows, {count} cases, no problem")


@main.command("check-clients")
@click.argument("folder", type=click.Path(path_type=Path), required=False)
@click.option("--development", is_flag=True, help="Accept what development mode accepts: plain http, public keys.")
def check_clients(folder: Path | None, development: bool) -> None:
    """Check the client files of a folder, by default the one that is set, and say whom each lets in.

    Exits with 1 and one line for each problem (file: field: what is wrong).
    """
    settings = _settings(development="true" if development else None)
    folder = folder or settings.clients
    try:
        found = clients.load(folder, knowledge.load(settings.cards), development=settings.development)
    except KnowledgeError as error:
        _complain(error.problems, folder)
    _introduce(found.values())
    console.print(f"{folder}: {len(found)} client{'' if len(found) == 1 else 's'}, no problem")


def _introduce(found: Iterable[clients.Client]) -> None:
    for client in found:
        console.print(client.introduction(), markup=False, soft_wrap=True)


@main.command()
@click.argument("request_file", metavar="REQUEST.json", type=click.File("rb"))
@click.option("--protocol", help="The protocol to use instead of the one that is set.")
@click.option("--service", "service_id", help="The service to ask; by default the first one that answers the hook.")
def explain(request_file: IO[bytes], protocol: str | None, service_id: str | None) -> None:
    """Answer a CDS Hooks request from a file, step by step: what was read, what was unknown and why, which row decided,
    and the cards. `-` reads from standard input. Nothing is sent anywhere."""
    from .explain import explain_request

    settings = _settings(protocol=protocol)
    try:
        explain_request(request_file.read(), settings, service_id, console)
    except ServiceError as error:
        raise click.ClickException("; ".join(error.diagnostics)) from None


@main.command()
@click.option("--host", default="127.0.0.1", show_default=True, help="Address to listen on.")
@click.option("--port", default=8080, show_default=True, help="Port to listen on.")
@click.option("--workers", default=2, show_default=True, help="Worker processes.")
@click.option("--development", is_flag=True, help="Trial mode without caller authentication, on loopback only.")
def serve(host: str, port: int, workers: int, development: bool) -> None:
    """Serve CDS Hooks until stopped. Refuses to start while anything is wrong with the knowledge folder."""
    from .serve import serve as run
    from .store import BadDatabaseUrl

    public_url = None if VARIABLES["public_url"] in os.environ else f"http://{host}:{port}"
    settings = _settings(development="true" if development else None, public_url=public_url)
    if settings.development and not _is_loopback(host):
        raise click.UsageError(f"development mode trusts whoever calls, so --host {host} is refused")
    try:
        loaded = _checked_knowledge(settings.cards)
        loaded.guideline(settings.protocol)
        trusted = settings.trusted_clients(loaded)
    except ClientsError as error:
        raise click.ClickException("the clients cannot be used:\n  " + "\n  ".join(error.problems)) from None
    who = f"trusted clients: {len(trusted)}" if settings.is_authenticated else "callers are not authenticated"
    try:
        run(settings, host, port, workers, told=[who, *(client.introduction() for client in trusted.values())])
    except BadDatabaseUrl as problem:
        raise click.ClickException(f"{VARIABLES['database_url']}: {problem}") from None


@main.command()
def migrate() -> None:
    """Bring the database to the form of this release. `serve` does so too; safe to run on several hosts at once."""
    from .store import BadDatabaseUrl, Store, StoreDown

    try:
        store = Store(_settings().database_url)
        revision = store.prepare()
        store.close()
    except (BadDatabaseUrl, StoreDown) as problem:
        raise click.ClickException(f"{VARIABLES['database_url']}: {problem}") from None
    console.print(f"the database is at revision {revision}")


def _is_loopback(host: str) -> bool:
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


@main.command("hash-password")
@click.password_option()
def hash_password(password: str) -> None:
    """Print what CDS_INSIGHTS_PASSWORD_HASH has to hold for a password. Asks for it, so that no shell remembers it."""
    from .web.insights import hashed

    click.echo(hashed(password))


@main.command()
@click.option("--port", default=0, help="Port to listen on; by default a free one.")
@click.option("--keep/--no-keep", default=None, help="Keep the service running; by default where a person is watching.")
def demo(port: int, keep: bool | None) -> None:
    """Start the service, let an EHR select a screening mammogram while a 4B is open, and show the cards."""
    from .demo import run_demo

    sys.exit(run_demo(console, port, sys.stdin.isatty() if keep is None else keep))


@main.command()
@click.argument("report", metavar="FILE", type=click.File("rb"))
def read(report: IO[bytes]) -> None:
    """Read the BI-RADS categories of a report (text, HTML, RTF or PDF; `-` reads from standard input).

    Prints the assessment of each breast with the sentence it stands in and marks under the words that decided.
    """
    from .read_report import media_type, show
    from .reading.formats import Unreadable
    from .reading.reader import ReportReader

    reader = ReportReader(knowledge.load(_settings().cards).languages)
    try:
        show(report.read(), media_type(Path(getattr(report, "name", ""))), reader, console)
    except Unreadable as problem:
        raise click.ClickException(f"the document {problem}") from None


@main.command()
@click.argument("export", metavar="EXPORT_DIR", type=click.Path(path_type=Path))
@click.option("--out", required=True, type=click.Path(file_okay=False, path_type=Path), help="Folder to write to.")
@click.option("--today", type=click.DateTime(["%Y-%m-%d"]), help="The day to decide for; by default today.")
@click.option("--protocol", help="The protocol to use instead of the one that is set.")
@click.option(
    "--memory", default=1500, show_default=True, type=click.IntRange(min=1), help="Megabytes to take at most."
)
@click.option("--workers", type=click.IntRange(min=1), help="Worker processes; by default one for each processor.")
@click.option("--spark-master", metavar="URL", help="Decide on this Spark cluster instead (extra: spark).")
def worklist(
    export: Path,
    out: Path,
    today: datetime | None,
    protocol: str | None,
    memory: int,
    workers: int | None,
    spark_master: str | None,
) -> None:
    """List who has an open step, from a FHIR Bulk Data export (NDJSON files, gzip or not).

    Writes worklist.parquet, worklist.csv, tasks.ndjson (FHIR R4), summary.json, summary.html and problems.csv.
    A run that was stopped goes on from where it was.
    """
    from .worklist.export import WorklistError
    from .worklist.job import MEGABYTE, Job
    from .worklist.run import run

    settings = _settings(protocol=protocol)
    job = Job(
        export=export.resolve(),
        out=out.resolve(),
        cards=settings.cards.resolve(),
        protocol=settings.protocol,
        today=datetime.now().astimezone().date() if today is None else today.date(),
        memory=memory * MEGABYTE,
        workers=workers or os.cpu_count() or 1,
    )
    try:
        summary = run(job, console, spark_master)
    except WorklistError as error:
        raise click.ClickException(str(error)) from None
    console.print(
        f"{summary['patients']:,} patients, {summary['patients_listed']:,} on the list, "
        f"{summary['patients_not_decided']:,} of them not decided; {summary['problem_lines']:,} lines with a problem"
    )


@main.command()
@click.option("--patients", default=1000, show_default=True, type=click.IntRange(min=1), help="How many.")
@click.option("--seed", default=1, show_default=True, help="The same seed gives the same population.")
@click.option("--out", required=True, type=click.Path(file_okay=False, path_type=Path), help="Folder to write to.")
@click.option("--today", type=click.DateTime(["%Y-%m-%d"]), help="The day of the export; by default today.")
@click.option("--workers", type=click.IntRange(min=1), help="Worker processes; by default one for each processor.")
def synthesise(patients: int, seed: int, out: Path, today: datetime | None, workers: int | None) -> None:
    """Invent a population: a FHIR Bulk Data export, and beside it what is truly open (truth.csv)."""
    from .synthetic.population import write

    day = datetime.now().astimezone().date() if today is None else today.date()
    write(out, patients, seed, day, workers or os.cpu_count() or 1)


@main.group()
def evaluate() -> None:
    """Measure the service against labelled data."""


@evaluate.command("reports")
@click.argument("labelled", type=click.Path(exists=True, dir_okay=False, path_type=Path))
@click.option("--check", is_flag=True, help="Exit with 1 where a bar is missed; the last line says which.")
@click.option("--misses/--no-misses", default=True, show_default=True, help="List every miss.")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object instead of tables.")
def evaluate_reports(labelled: Path, check: bool, misses: bool, as_json: bool) -> None:
    """Compare how reports are read with their labels (a JSON Lines file, see tests/fixtures/reports/README.md)."""
    from .evaluation import reports
    from .reading.reader import ReportReader

    try:
        found = list(reports.scored(labelled, ReportReader(knowledge.load(_settings().cards).languages)))
    except ValueError as problem:
        raise click.ClickException(str(problem)) from None
    if as_json:
        click.echo(json.dumps(reports.figures(found), indent=2))
    else:
        reports.printed(found, console, with_misses=misses)
    missed = reports.missed_bars(found)
    if check:
        click.echo(f"missed: {', '.join(missed)}" if missed else "every bar is reached")
        sys.exit(1 if missed else 0)


@evaluate.command("derived")
@click.argument("table", type=click.Path(exists=True, dir_okay=False, path_type=Path))
@click.option("--protocol", default="brochure-calcification", show_default=True)
@click.option("--rounds", default=2000, show_default=True, help="Bootstrap rounds of the intervals.")
@click.option("--seed", default=1, show_default=True)
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object instead of a table.")
def evaluate_derived(table: Path, protocol: str, rounds: int, seed: int, as_json: bool) -> None:
    """Compare the category derived from descriptors with pathology and with the radiologist (CBIS-DDSM table)."""
    from .evaluation.derived import evaluate as run
    from .evaluation.derived import printed

    result = run(table, knowledge.load(_settings().cards), protocol, rounds, seed, console)
    if as_json:
        click.echo(json.dumps(result, indent=2))
    else:
        printed(result, console)
