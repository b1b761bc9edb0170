"""Settlement: close a period, run a pool, approve, publish, pay, and write statements."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated, Any, Final

import typer

from cli.exits import EXIT_CODES
from cli.progress import progress
from cli.render import as_text
from cli.rules_help import RulesCommand
from cli.shell import emit, leave, plain, say, workspace
from ledger.errors import InputError, VerificationError
from ledger.shown import counted, exact_percent, money
from ledger.units import ppm

app = typer.Typer(no_args_is_help=True)
period = typer.Typer(no_args_is_help=True)
app.add_typer(period, name="period", help="Close a period, show it, export it.")


@period.command("close")
def period_close(name: Annotated[str, typer.Argument(metavar="PERIOD", help="A month, such as 2026-06.")]) -> None:
    """Close a month: record its logs, their sizes and the registry. Closing it again changes nothing."""
    from service.settlement import life

    ws = workspace()
    with progress("Sealing", unit="entries") as advance:
        closed = life.close(ws, name, on_progress=advance)
    emit(closed)


@period.command("show")
def period_show(name: Annotated[str, typer.Argument(metavar="PERIOD", help="A month, such as 2026-06.")]) -> None:
    """Show a month's state and its runs: the five parts of each pool, compared with the month before."""
    from cli.finance import period_text
    from service.settlement import months

    emit(months.show(workspace(), name), text=period_text)


@period.command("export")
def period_export(
    name: Annotated[str, typer.Argument(metavar="PERIOD", help="A month with a published run.")],
    *,
    out: Annotated[Path, typer.Option(help="A folder, new or of an earlier export.")],
) -> None:
    """Export a month for an outsider: the log as static files and a bundle for each published run."""
    from service.statements import recomputing

    ws = workspace()
    with progress("Exporting", unit="tiles") as advance:
        exported = recomputing.export(ws, name, out, on_progress=advance)
    emit(exported)


@period.command("journal")
def period_journal(
    name: Annotated[str, typer.Argument(metavar="PERIOD", help="A month with a published run.")],
    *,
    out: Annotated[Path, typer.Option(help="The folder to write to.")] = Path("journal"),
) -> None:
    """Write published runs as double entry in beancount syntax."""
    from service.statements import recomputing

    emit(recomputing.journals(workspace(), name, out))


@app.command()
def books(
    *,
    out: Annotated[Path, typer.Option(help="The folder to write to.")],
    since: Annotated[
        str | None, typer.Option("--from", metavar="PERIOD", help="The first month; by default all.")
    ] = None,
    until: Annotated[str | None, typer.Option("--to", metavar="PERIOD", help="The last month.")] = None,
) -> None:
    """Write published months as one journal: beancount and CSV, with tax withheld, advances and reserves."""
    from service.statements import booking

    emit(booking.write_books(workspace(), out, since=since, until=until))


@period.command("recompute")
def period_recompute(
    folder: Annotated[Path, typer.Argument(help="An exported month.")],
    *,
    trust: Annotated[Path, typer.Option(help="The operator's trust.json, from another source than the export.")],
    log: Annotated[
        Path | None, typer.Option(help="A newer export of the log, if the log key of this one has retired.")
    ] = None,
) -> None:
    """Recompute an exported month as an outsider: rebuild its log and compare every run byte for byte."""
    from service.bundles import read_log, read_trust
    from service.statements import recomputing

    with progress("Computing", unit="events") as advance:
        newer = None if log is None else read_log(log)
        done = recomputing.recompute(folder, read_trust(trust), newer=newer, on_progress=advance)
    emit(done)
    if not done.ok:
        leave(EXIT_CODES[VerificationError])


@app.command(cls=RulesCommand)
def run(
    *,
    name: Annotated[str, typer.Option("--period", help="A closed month, such as 2026-06.")],
    currency: Annotated[str, typer.Option(help="ISO 4217 code of the pool, such as EUR.")],
    pool: Annotated[
        str | None,
        typer.Option(
            help="Amount to distribute, such as 1000000.00. Required unless --param price= gives a price per stream."
        ),
    ] = None,
    rule: Annotated[str, typer.Option(help="Payout rule; the rules are listed below.")] = "pro-rata",
    param: Annotated[
        list[str] | None, typer.Option(metavar="K=V", help="A term of the pool or of the rule, see below.")
    ] = None,
    pool_name: Annotated[str, typer.Option(help="Name of the pool, if there are several.")] = "default",
    engine: Annotated[
        str,
        typer.Option(
            help="Engine that sums the usage: duckdb over the log's segments, log, spark://... or local-cluster."
        ),
    ] = "duckdb",
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Compute and show the run without storing it.")] = False,
) -> None:
    """Compute the exact amounts of a closed month. The same inputs always give the same run."""
    from service.settlement import life

    params = parameters(param or [])
    request = life.request(
        period=name,
        pool=pool,
        currency=currency,
        rule=rule,
        params=params,
        name=pool_name,
        engine=engine,
    )
    ws = workspace()
    with progress("Usage", unit="events") as advance:
        result = life.run(ws, request, dry_run=dry_run, on_progress=advance)
    emit(result, text=_run_text)
    for question in result.questions:
        say(f"settle: question: {question}")
    for key in ("tau", "kappa", "min_influence"):
        if key in params:
            part = ppm(params[key])
            say(f"settle: {key} = {part:,} ppm ({exact_percent(part)})")
    if not result.units:
        say(
            f"settle: {name} has no event that counts in pool {pool_name}: nobody is allocated anything; look at the "
            "months of the events (settle ingest) and at the pool's terms before approving this run"
        )


def parameters(words: list[str]) -> dict[str, str]:
    """`--param k=v` as a mapping; each name once."""
    params: dict[str, str] = {}
    for word in words:
        key, equals, value = word.partition("=")
        if not (key and equals):
            raise InputError(f"--param {word}: expected NAME=VALUE, such as weight=gross")
        if key in params:
            raise InputError(f"--param {key} is given twice")
        params[key] = value
    return params


def _run_text(result: Any) -> str:
    """The run as a person reads it: where the pool went, then who got how much."""
    parts = ("allocated", "unattributed", "held", "suspense", "reserve")
    head = plain(result) | {"lines": None}
    shown_fields = {
        key: head[key] for key in ("run", "period", "pool", "rule", "units", "holders", "state", "dry_run", "demo")
    }
    amounts = [f"{part:<14}{money(head[part + '_micros'], head['currency']):>26}" for part in parts]
    total = f"{'pool':<14}{money(head['pool_micros'], head['currency']):>26}"
    lines = [f"  {line.holder:<24}{money(line.micros, head['currency']):>26}" for line in result.lines]
    waits = head["state"] == "calculated" and not head["dry_run"]
    return "\n".join(
        [
            as_text(shown_fields),
            "",
            *amounts,
            total,
            "",
            "allocated by holder, before deductions and the minimum payout:",
            *(lines or ["  nobody"]),
            *([f"next: settle approve {head['run'][:16]} --as PARTY"] if waits else []),
        ]
    )


APPROVED: Final = (
    "What `settle proposals` lists: a run or its month, the release or rejection of a hold, an adjustment, reversal or "
    "restatement, a dispute's admission or outcome, a payment's outcome, terms, a mandate or its resumption."
)


@app.command()
def approve(
    subject: Annotated[str, typer.Argument(metavar="ID", help=APPROVED)],
    party: Annotated[str, typer.Option("--as", metavar="PARTY", help="The approver; must not be the maker.")],
    *,
    yes: Annotated[bool, typer.Option("--yes", help="Do not ask on a terminal.")] = False,
) -> None:
    """Show, check and sign a proposal of another person. On a terminal it asks first; elsewhere it signs at once."""
    from service.settlement import life, proposals

    ws = workspace()
    shown = proposals.show(ws, subject)
    amount = "" if shown.micros is None else f"{money(shown.micros, shown.currency)}, "
    about = f" for {shown.party}" if shown.party else ""
    say(
        f"settle: {shown.kind} {shown.id[:32]} by {shown.made_by}{about}: {amount}{shown.changes}; "
        f"reason: {shown.reason or 'none given'}"
    )
    for question in shown.questions:
        say(f"settle: question: {question}")
    if not yes and sys.stdin.isatty() and not typer.confirm("Sign this?", err=True):
        raise InputError("not signed")
    emit(life.approve(ws, shown.id, party), text=_approved_text)


def _approved_text(approved: Any) -> str:
    following = [f"next: settle publish {approved.subject[:16]}"] if approved.kind == "run" else []
    return "\n".join([as_text(plain(approved)), *following])


@app.command("proposals")
def proposals_() -> None:
    """List everything that needs a second person, with its effect."""
    from service.settlement import proposals

    emit(proposals.waiting(workspace()))


@app.command()
def publish(
    run_id: Annotated[str, typer.Argument(metavar="RUN", help="An approved run.")],
    via: Annotated[
        str | None, typer.Option(help="file or chain for all payees; by default each payee's own route.")
    ] = None,
) -> None:
    """Publish a run: it becomes final, and each payee gets one payment by one route.

    Afterwards the contents of its statements are prepared, so that nobody waits for theirs.
    """
    from service.settlement import life
    from service.statements.parts import prepare

    ws = workspace()
    published = life.publish(ws, run_id, via=via)
    emit(published, text=_published_text)
    prepare(ws, published.run)


def _published_text(done: Any) -> str:
    """Return the published run's payments by route, and the next step."""
    payable = f"{counted(done.payees, 'payment')}, {money(done.payable_micros, done.currency)} to be paid"
    currencies = [f"  {totals_line(total)}" for total in done.totals] if len(done.totals) > 1 else []
    routes = [f"  by {via}: {counted(count, 'payee')}" for via, count in done.routes.items() if count]
    verdict = "was published before" if done.already else "is published: its statements bind"
    head = f"run {done.run} of {done.period}, pool {done.pool}, {verdict}"
    following = [f"next: settle pay {done.run[:16]} --via {via}" for via in done.due]
    return "\n".join([head, payable, *currencies, *routes, *_blocked_lines(done), *following])


def _blocked_lines(done: Any) -> list[str]:
    """Return the blocked payments with payee and reason; statements explain the reasons."""
    return [
        f"blocked: {payment.party}, {money(payment.micros, done.currency)}: {payment.detail or payment.reason}"
        for payment in done.blocked
    ]


@app.command()
def pay(
    run_id: Annotated[str, typer.Argument(metavar="RUN", help="A published run.")],
    *,
    via: Annotated[str, typer.Option(help="file: payment files for the bank; chain: the contract.")] = "file",
    form: Annotated[
        str, typer.Option("--format", help="Format of the files: csv, or pain.001 (ISO 20022, needs payouts.debtor_*).")
    ] = "csv",
) -> None:
    """Pay what may be paid now, each payment once; payments on hold are left out."""
    if via == "chain":
        from service.chain import postings

        return emit(postings.pay_run(workspace(), run_id), text=_paid_text)
    from service.settlement import paying

    return emit(paying.pay(workspace(), run_id, via, form), text=_paid_text)


def _paid_text(done: Any) -> str:
    """Return what this call paid, what the run has paid by this route so far, and what is blocked."""
    sent = f"{counted(done.sent, 'payment')}, {money(done.sent_micros, done.currency)}, handed over now"
    so_far = f"{counted(done.payments, 'payment')}, {money(done.paid_micros, done.currency)}"
    lines = [
        f"run {done.run} by {done.via}{' (demo)' if done.demo else ''}",
        f"  this call: {sent}" if done.sent else "  this call: nothing new to hand over",
        f"  so far:    {so_far}, in {counted(done.batches, 'batch', 'batches')}",
        *(f"  {line}" for line in _blocked_lines(done)),
    ]
    if done.via == "file":
        lines += [f"  {totals_line(total)}" for total in done.totals]
        lines += [f"  file for the bank: {path}" for path in done.files]
        lines += [f"  no file: {reason}" for reason in done.unwritten]
        return "\n".join(lines + _unconfirmed_lines(done.run, done.unconfirmed))
    posting, claims = done.posting, done.claims
    lines.append(f"  posting {posting.sequence} is {posting.state}: {posting.detail}")
    if claims is not None:
        pushed = f"{counted(claims.payees, 'claim')} paid by this call, {money(claims.paid, done.currency)}"
        lines.append(f"  on the chain: {pushed}, {claims.open} still open")
    return "\n".join(lines)


def totals_line(total: Any) -> str:
    """Return the number and sum of the payments in one currency."""
    from payouts.money import format_amount

    amount = format_amount(total.micros, total.currency)
    return f"in {total.currency}: {counted(total.payments, 'payment')}, {amount} {total.currency}"


def _unconfirmed_lines(run: str, parties: tuple[str, ...]) -> list[str]:
    """Return the next step: record the bank's answer for each payment."""
    if not parties:
        return []
    confirmed = f"settle payments read FILE, or settle payments confirm --all-of {run[:16]}"
    return [f"{counted(len(parties), 'payment')} handed over, not confirmed; once the bank answers: {confirmed}"]


@app.command()
def statement(
    *,
    party: Annotated[str, typer.Argument(help="Party id.")],
    name: Annotated[str, typer.Option("--period", help="A closed month, such as 2026-06.")],
    form: Annotated[str, typer.Option("--format", help="text, json, csv, html, pdf, dsr or bundle (proof).")] = "text",
    pool_name: Annotated[str | None, typer.Option(help="For a bundle: name of the pool, if there are several.")] = None,
    out: Annotated[Path | None, typer.Option(help="Where to write it; by default stdout.")] = None,
) -> None:
    """Write a party's statement: allocated, paid, held and carried; with --format bundle, its proof."""
    from cli.statements import statement_text
    from service.statements import royalty_reporting, statements, writing

    ws = workspace()
    if form == "bundle":
        data = statements.prove(ws, party, name, pool_name)
    elif form == "dsr":
        data = royalty_reporting.royalty_report(ws, party, name)
    else:
        if form == "pdf" and out is None:
            raise InputError("a PDF is not for the terminal; name its file with --out")
        state = statements.state(ws, party, name)
        if out is None and form in ("text", "json"):
            emit(state, text=_as_json if form == "json" else statement_text)
            return
        data = statement_text(state).encode() if form == "text" else writing.rendered(state, form)
    _hand_out(data, out)


def _hand_out(data: bytes, out: Path | None) -> None:
    """Write a document to a file or to stdout."""
    if out is None:
        emit({"text": data.decode()}, text=lambda answer: str(answer["text"]))
        return
    from ledger.files import write_whole

    write_whole(out, data)
    emit({"path": str(out), "bytes": len(data)})


def _as_json(found: Any) -> str:
    from service.statements.writing import rendered

    return rendered(found, "json").decode()


@app.command()
def statements(
    name: Annotated[str, typer.Option("--period", help="A month with a run.")],
    *,
    out: Annotated[Path, typer.Option(help="The folder to write to, one file per party.")],
    form: Annotated[str, typer.Option("--format", help="json, csv, html or pdf.")] = "html",
) -> None:
    """Write every party's statement for a month, one file each."""
    from service.statements import writing

    ws = workspace()
    with progress("Statements", unit="parties") as advance:
        emit(writing.write_all(ws, name, out, form, on_progress=advance))


@app.command()
def explain(
    run_id: Annotated[str, typer.Argument(metavar="RUN", help="A run.")],
    party: Annotated[str, typer.Argument(help="The party whose lines are explained.")],
    track: Annotated[str | None, typer.Argument(help="Show the streams of this track.")] = None,
) -> None:
    """Explain a statement line: its division, vectors and streams, and the commands that prove them."""
    from cli.statements import explained_text
    from service.statements.explaining import explain as walk

    emit(walk(workspace(), run_id, party, track), text=explained_text)
