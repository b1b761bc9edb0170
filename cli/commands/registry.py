"""The registry: parties, ownership, permissions, and decisions based on them."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Final

import typer

from cli.commands.registry_disputes import dispute
from cli.commands.registry_groups import group
from cli.commands.registry_models import model
from cli.commands.registry_payees import payee
from cli.commands.registry_permissions import permissions
from cli.exits import EXIT_CODES
from cli.progress import progress
from cli.render import indented, table
from cli.rows import quarantine_allowance, replay_code, rows_code
from cli.shell import emit, leave, mapping_pairs, plain, say, share_option, workspace
from ledger.errors import InputError, VerificationError
from ledger.shown import added_up, counted

if TYPE_CHECKING:
    from ledger.registry.importing import Imported

app = typer.Typer(no_args_is_help=True, help="Parties, ownership, permissions, training sets and payees.")
app.add_typer(dispute, name="dispute", help="Contest the ownership of a recording or work.")
app.add_typer(group, name="group", help="Owner groups: propose, consent, approve.")
app.add_typer(model, name="model", help="Training sets of models, with proofs.")
app.add_typer(permissions, name="permissions", help="Permissions in other vocabularies: RSL, TDM, AIPREF.")
app.add_typer(payee, name="payee", help="Payees' accounts: stored outside the log; two people change them.")

FEW: Final = 5
"""Rows shown of those that were not taken."""

By = Annotated[str | None, typer.Option("--as", metavar="PARTY", help="Sign as this party instead of the operator.")]
Verbose = Annotated[
    bool, typer.Option("--verbose", "-v", help="Show every notice, and as many rejected rows as --json.")
]
Territory = Annotated[str, typer.Option(help="A country such as SE, or WORLD.")]


@app.command("import")
def import_(
    files: Annotated[
        list[Path],
        typer.Argument(
            metavar="FILE...", help="Documents (.json), tables (.csv, .tsv), ERN (.xml) or CWR (.v21, .v22)."
        ),
    ],
    *,
    list_name: Annotated[
        str, typer.Option("--list", help="The list that the tables contain, if their names do not say it: shares.")
    ] = "",
    mapped: Annotated[
        list[str] | None,
        typer.Option(
            "--map",
            metavar="COLUMN=FIELD",
            help="The field of a table's column: Song=title; COLUMN= ignores the column, @FILE reads saved pairs.",
        ),
    ] = None,
    right: Annotated[
        str | None,
        typer.Option(help="For CWR: the right that pays, where they differ: performing, mechanical, synchronisation."),
    ] = None,
    by: By = None,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Show the result without changing anything.")] = False,
    max_quarantine: Annotated[
        str, typer.Option(help="Rows that may be quarantined without exit code 5: a number, or a share such as 5%.")
    ] = "",
    verbose: Verbose = False,
) -> None:
    """Register parties, recordings, works, shares, grants, models, tracks and payees from files.

    A table has commas, semicolons or tabs between its cells, in UTF-8 or Windows-1252. Its shares are ppm, 12.5%, 1/3,
    or a column `percent`. `settle template LIST.csv` shows the columns of a list.
    """
    from ledger.registry.readers import table_reader
    from service.registry import registering

    tables, allowance = table_reader(list_name, mapping_pairs(mapped)), quarantine_allowance(max_quarantine)
    with progress("Registering", unit="leaves") as advance:
        done = registering.load(
            workspace(), files, tables=tables, right=right, by=by, dry_run=dry_run, on_progress=advance
        )
    emit(done, text=_everything if verbose else _summary)
    if done.quarantined and not dry_run:
        say(f"settle: {counted(done.quarantined, 'row')} kept in quarantine; `settle quarantine list` says why")
    conflicts = f"{counted(done.conflicts, 'conflict')} with the registry, which was not changed"
    leave(rows_code(done, conflicts=conflicts, allowance=allowance))


@app.command()
def acknowledge(
    file: Annotated[Path, typer.Argument(help="A CWR file that was imported.")],
    *,
    out: Annotated[Path, typer.Option(help="The acknowledgement file to write.")],
    sender: Annotated[str, typer.Option(help="Who answers: PB, SO, AA or WR and nine digits, such as AA000000123.")],
    right: Annotated[str | None, typer.Option(help="The right that was imported, as in the import.")] = None,
) -> None:
    """Write the CWR acknowledgement of a file: what became of each of its works."""
    from service.registry import acknowledging

    emit(acknowledging.acknowledge(workspace(), file, out, sender=sender, right=right))


@app.command()
def replay(by: By = None, verbose: Verbose = False) -> None:
    """Import your quarantined rows again, for example after a missing recording was registered.

    The exit code is 5 if no row was accepted.
    """
    from service.registry import registering

    done = registering.replay(workspace(), by)
    emit(done, text=_everything if verbose else _summary)
    leave(replay_code(done))


def _summary(done: Imported) -> str:
    """Return the counts, the first rejected rows, and a line for each kind of notice."""
    return _imported(done, shown=FEW, notices=done.summary)


def _everything(done: Imported) -> str:
    return _imported(done, shown=len(done.refused), notices=done.notices)


def _imported(done: Imported, *, shown: int, notices: Sequence[str]) -> str:
    counts = {
        "accepted": done.accepted,
        "duplicate": done.duplicates,
        "conflict": done.conflicts,
        "quarantined": done.quarantined,
    }
    became = "would become" if done.dry_run else "became"
    lines = [added_up(done.read, counts)]
    lines.append(f"{became} {counted(done.leaves, 'leaf', 'leaves')} of the log, which has {done.size:,}")
    if refused := sorted(done.refused, key=lambda refusal: (refusal.file, refusal.list, refusal.line))[:shown]:
        lines += ["", "not taken:", indented(table([plain(refusal) for refusal in refused]))]
    if more := done.conflicts + done.quarantined - len(refused):
        lines.append(f"  and {more:,} more" + ("" if done.dry_run else ": settle quarantine list"))
    if notices:
        lines += ["", "to know:", *(f"  {refusal}" for refusal in notices)]
    if len(notices) < len(done.notices):
        lines.append("  (--verbose or --json lists each)")
    return "\n".join(lines)


@app.command()
def show(
    name: Annotated[str, typer.Argument(metavar="ID", help="Any id: party, recording, work, grant, track...")],
) -> None:
    """Show everything in the registry about one id, with its history."""
    from service.registry import pages

    emit(pages.show(workspace(), name))


@app.command()
def find(
    text: Annotated[str, typer.Argument(help="An ISRC, ISWC, IPI or ISNI, or words of a title, artist or name.")],
    field: Annotated[str, typer.Option("--in", help="isrc, iswc, ipi, isni, title, artist or name.")] = "",
) -> None:
    """Parties, recordings, works and tracks by their codes, or by words, whatever their case and accents."""
    from service.registry import searching

    answer = searching.find(workspace(), text, field)
    emit(answer, text=lambda matches: table([plain(match) for match in matches.matches]) or "nothing fits")
    if answer.more:
        say(f"settle: {answer.more:,} more fit; ask for more words, or one field with --in")


@app.command()
def decide(
    recording: Annotated[str, typer.Argument(metavar="RECORDING", help="A recording or a work.")],
    *,
    use: Annotated[str, typer.Option(help="train, condition, style, voice or sample.")],
    at: Annotated[str | None, typer.Option(help="In force at this date or time; by default now.")] = None,
    known_at: Annotated[
        str | None, typer.Option(help="With the entries of that time: a date, a time, or a size of the log.")
    ] = None,
    territory: Territory = "WORLD",
    licensee: Annotated[str | None, typer.Option(help="The party that wants to use it.")] = None,
    model: Annotated[str | None, typer.Option(help="The model it is for: ID or ID@VERSION.")] = None,
    receipt: Annotated[bool, typer.Option("--receipt", help="Sign the answer and record it in the log.")] = False,
    track: Annotated[
        str | None, typer.Option(help="The receipt's track; without it the receipt is valid for 24 hours.")
    ] = None,
) -> None:
    """Decide whether a use is permitted: allow, deny or ask, with the grants and the reasons."""
    from service.registry import deciding

    answer = deciding.decide(
        workspace(),
        recording,
        use,
        at=at,
        known_at=known_at,
        territory=territory,
        licensee=licensee,
        model=model,
        keep=receipt,
        track=track,
    )
    emit(answer)


@app.command()
def confirm(
    ids: Annotated[
        list[str], typer.Argument(metavar="ID...", help="Shares, links or recordings; a subject means its shares.")
    ],
    party: Annotated[list[str] | None, typer.Option(help="Of a subject, only this claimant's shares; repeat.")] = None,
    by: By = None,
) -> None:
    """Confirm asserted shares; only confirmed shares are paid."""
    from service.registry import registering

    emit(registering.confirm(workspace(), ids, by, party or ()))


@app.command()
def grant(
    recording: Annotated[
        str, typer.Argument(metavar="SUBJECT", help="A recording, a work, or '*' for the whole catalogue.")
    ],
    *,
    uses: Annotated[str, typer.Option(help="train,condition,style,voice,sample: some of them.")],
    name: Annotated[str, typer.Option("--id", help="The grant's own id.")],
    grantor: Annotated[str | None, typer.Option(help="The party that grants; by default the signer.")] = None,
    decision: Annotated[str, typer.Option(help="allow, deny or ask.")] = "allow",
    start: Annotated[str | None, typer.Option("--from", help="A date; by default now.")] = None,
    end: Annotated[str | None, typer.Option("--to", help="A date; by default without end.")] = None,
    territory: Territory = "WORLD",
    licensee: Annotated[str | None, typer.Option(help="Only for this party.")] = None,
    model: Annotated[str | None, typer.Option(help="Only for this model: ID or ID@VERSION.")] = None,
    cap: Annotated[str | None, typer.Option(help="The most influence a track may take, such as 25%.")] = None,
    cap_ppm: Annotated[int | None, typer.Option(help="The same in parts per million.")] = None,
    floor: Annotated[str | None, typer.Option(help="The least price per use, such as 0.002.")] = None,
    floor_micros: Annotated[int | None, typer.Option(help="The same in micro-units.")] = None,
    currency: Annotated[str | None, typer.Option(help="Of the floor.")] = None,
    sunset: Annotated[str | None, typer.Option(help="After this date, trained versions may no longer be used.")] = None,
    by: By = None,
) -> None:
    """Allow or deny uses, or require a request. Grants are never changed: revoke one and make a new one."""
    from ledger.registry.acts import parse_uses
    from ledger.units import micros
    from service.registry import registering, signing

    if floor is not None and floor_micros is not None:
        raise InputError("--floor and --floor-micros say the same; expected one of them")

    ws = workspace()
    who = signing.signer(ws, by)
    row = {
        "id": name,
        "grantor": grantor or who.party,
        "subject": recording,
        "uses": list(parse_uses(uses)),
        "decision": decision,
        "territory": territory,
        "from": start or signing.author(ws, who).at,
        "to": end,
        "licensee": licensee,
        "model": model,
        "cap_ppm": share_option("--cap", cap, "--cap-ppm", cap_ppm),
        "floor_micros": floor_micros if floor is None else micros(floor),
        "currency": currency,
        "sunset": sunset,
    }
    emit(registering.grant(ws, row, by))


@app.command()
def revoke(
    name: Annotated[str, typer.Argument(metavar="GRANT", help="The grant's id.")],
    uses: Annotated[str, typer.Option(help="Only these uses; by default all of the grant's.")] = "",
    start: Annotated[
        str | None, typer.Option("--from", help="From this date on; by default now, never the past.")
    ] = None,
    by: By = None,
) -> None:
    """Revoke a grant. Earlier tracks keep their permission and continue to pay."""
    from ledger.registry import acts
    from ledger.registry.rows import instant
    from service.registry import registering

    when = None if start is None else instant(start)
    chosen = acts.parse_uses(uses)
    emit(
        registering.act(
            workspace(),
            by,
            lambda view, author: acts.revoke(view, author, grant=name, when=when or author.at, uses=chosen),
        )
    )


@app.command()
def transfer(
    subject: Annotated[str, typer.Argument(help="A recording or a work.")],
    *,
    seller: Annotated[str, typer.Option("--from", metavar="PARTY", help="The party that holds the share.")],
    buyer: Annotated[str, typer.Option("--to", metavar="PARTY", help="The party that gets the share.")],
    right: Annotated[str, typer.Option(help="master, publishing, performer or neighbouring.")] = "master",
    share: Annotated[
        str | None, typer.Option(help="The part, such as 50%; by default the seller's whole share.")
    ] = None,
    ppm: Annotated[int | None, typer.Option(help="The same in parts per million.")] = None,
    when: Annotated[str | None, typer.Option("--on", help="A date; by default now, never the past.")] = None,
    territory: Territory = "WORLD",
    by: By = None,
) -> None:
    """Transfer a share. Earlier earnings stay with the seller."""
    from ledger.registry import acts
    from ledger.registry.rows import instant, right_named
    from service.registry import registering

    part = share_option("--share", share, "--ppm", ppm)
    chosen, moment = right_named(right), None if when is None else instant(when)
    emit(
        registering.act(
            workspace(),
            by,
            lambda view, author: acts.transfer(
                view,
                author,
                subject=subject,
                right=chosen,
                seller=seller,
                buyer=buyer,
                when=moment or author.at,
                ppm=part,
                territory=territory,
            ),
        )
    )


@app.command()
def clear(
    track: Annotated[str, typer.Argument(help="A registered track.")],
    limit: Annotated[
        str | None, typer.Option(help="Unlicensed influence allowed, such as 1%; by default registry.clear_ppm.")
    ] = None,
    limit_ppm: Annotated[int | None, typer.Option(help="The same in parts per million.")] = None,
    unattributed_limit: Annotated[
        str | None,
        typer.Option(help="Unattributed influence allowed, such as 20%; by default registry.clear_unattributed_ppm."),
    ] = None,
    territory: Territory = "WORLD",
) -> None:
    """Check a track before release: sign a certificate if it is clear, else list every reason.

    Checks the model's training list, the track's sources and its unattributed part, but not its payments.
    """
    from service.registry import deciding

    emit(
        deciding.clear(
            workspace(),
            track,
            limit_ppm=share_option("--limit", limit, "--limit-ppm", limit_ppm),
            unattributed_limit_ppm=share_option(
                "--unattributed-limit", unattributed_limit, "--unattributed-limit", None
            ),
            territory=territory,
        )
    )


@app.command()
def audit(
    size: Annotated[int | None, typer.Option(help="Audit the registry as it was at this size of the log.")] = None,
    record: Annotated[
        bool, typer.Option("--record", help="Record the result in the log, so that others can compare it.")
    ] = False,
) -> None:
    """Check the whole registry from the log alone: signatures, authority, dates, training sets, tracks."""
    from service.registry import audit

    with progress("Auditing", unit="leaves") as advance:
        report = audit.audit(workspace(), size=size, record=record, on_progress=advance)
    emit(report)
    if not report.ok:
        leave(EXIT_CODES[VerificationError])


@app.command()
def export(
    out: Annotated[Path, typer.Option(help="A .json file for one document, or a folder for one CSV per list.")],
) -> None:
    """Export the registry as it is now in force, in the form that import reads."""
    from service.registry import exporting

    emit(exporting.export(workspace(), out))


@app.command()
def enrol(party: Annotated[str, typer.Argument(help="A registered party.")]) -> None:
    """Give a party a key of its own, so that it can sign with --as."""
    from service.registry import signing

    emit(signing.enrol(workspace(), party))


@app.command()
def erase(party: Annotated[str, typer.Argument(help="A registered party.")]) -> None:
    """Erase a party's name, identifiers and accounts. Proofs stay valid."""
    from service.registry import erasing

    emit(erasing.erase(workspace(), party))
