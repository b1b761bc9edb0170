"""The jobs: the name of each, the keys that it signs with, and the function that it calls.

A job gets its turn, does what is due, and returns a description. Each can be repeated at any point, by another process,
after a crash: it finds in the log what was done before and does not repeat it.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING, Final

from ledger.errors import InputError, TransientError, VerificationError
from ledger.types import Period, Role

if TYPE_CHECKING:
    from service.workspace import Workspace


@dataclass(frozen=True, slots=True)
class Did:
    """The result of a job in words; `nothing`: there was nothing to do."""

    text: str
    nothing: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Job:
    """A task that the scheduler runs at set times."""

    name: str
    purpose: str
    keys: tuple[Role, ...]
    work: Callable[[Workspace, datetime], Did]

    @property
    def setting(self) -> str:
        return f"scheduler.{self.name}"


def _seal(ws: Workspace, turn: datetime) -> Did:
    done = ws.log.seal_since(turn)
    return Did("sealed already, or nothing new", nothing=True) if done is None else Did(f"sealed at {done.first}")


def _witness(ws: Workspace, _: datetime) -> Did:
    from service.witness import asking

    policy = ws.trust.policy
    if not any(witness.url for witness in policy.witnesses):
        return Did("trust.json names no witness with a URL", nothing=True)
    if not asking.outstanding(ws.log, policy):
        return Did("every witness has cosigned the newest checkpoint", nothing=True)
    answers = asking.ask(ws.log, policy)
    outcome = "; ".join(f"{answer.witness} {answer.outcome}" for answer in answers.witnesses)
    if answers.alarming:
        raise VerificationError(f"a witness contradicts this log at size {answers.size}: {outcome}; stop writing to it")
    if not answers.quorum:
        raise TransientError(f"size {answers.size} lacks its quorum: {outcome}")
    return Did(f"size {answers.size}: {outcome}")


def _attribute(ws: Workspace, _: datetime) -> Did:
    from service.attribution.pending import attribute_pending

    attributed = attribute_pending(ws)
    if attributed.failed:
        raise InputError(
            f"{len(attributed.attributed)} tracks attributed, {len(attributed.failed)} not: {attributed.failed[0]}"
        )
    if not attributed.attributed:
        return Did(f"no file in {attributed.inbox} belongs to a track without a vector", nothing=True)
    return Did(f"attributed {len(attributed.attributed)} tracks, {attributed.attributed[0]} first")


def _segments(ws: Workspace, _: datetime) -> Did:
    from ledger.segments.manifest import manifests
    from ledger.segments.seal import seal
    from service.settlement.usage import folder_of

    sealed = manifests(ws.log)
    first = sealed[-1].stop if sealed else 0
    if next(ws.log.entries(types={"event"}, start=first), None) is None:
        return Did(f"no event after entry {first}", nothing=True)
    done = seal(ws.log, folder_of(ws))
    return Did(f"{done.events} events in {done.segments} segments, entries {done.start} to {done.stop}")


def _close(ws: Workspace, turn: datetime) -> Did:
    """Close the month that has ended, after earlier months that were left open since the last close."""
    from service.log import members
    from service.settlement import life
    from service.settlement.step import read_book

    ended = Period(turn.year, turn.month).previous()
    if ws.settings.text("log.home"):
        return Did("only the home log closes periods", nothing=True)
    last = max(read_book(ws).closes, default=None)
    if last is None and not members.members(ws) and next(ws.log.entries(types={"event"}), None) is None:
        return Did("no event yet", nothing=True)
    months = [ended if last is None else Period.parse(last).next()]
    if str(months[0]) > str(ended):
        return Did(f"{last} is closed", nothing=True)
    while str(months[-1]) < str(ended):
        months.append(months[-1].next())
    for month in months:
        life.close(ws, str(month))
    return Did("closed " + ", ".join(map(str, months)))


def _holds(ws: Workspace, _: datetime) -> Did:
    from service.settlement.holds import expire

    done = expire(ws)
    waiting = f"{', '.join(done.unseen)} until a witness has seen the time come" if done.unseen else ""
    if done.ended:
        return Did(f"ended {', '.join(done.ended)}" + (f"; waits: {waiting}" if waiting else ""))
    return Did(f"waits: {waiting}" if waiting else "no hold has reached its end", nothing=True)


def _chain(ws: Workspace, _: datetime) -> Did:
    from service.chain.watching import watch

    watched = watch(ws)
    if watched is None or not watched.moved:
        waiting = 0 if watched is None else watched.waiting
        return Did(f"{waiting} transactions wait" if waiting else "nothing is under way on the chain", nothing=True)
    return Did("; ".join(watched.moved))


def _logs(ws: Workspace, _: datetime) -> Did:
    """Check that each log has at least its recorded size, which detects a rollback of log and anchor together."""
    from service.log import members

    members_seen = members.look(ws)
    if not members_seen:
        return Did("no other log is registered here", nothing=True)
    return Did(", ".join(f"{origin} has {size} entries" for origin, size in members_seen.items()))


def _instalments(ws: Workspace, _: datetime) -> Did:
    from service.live.paying import pay

    form = "pain.001" if ws.settings.text("payouts.debtor_iban") else "csv"
    done = pay(ws, form=form)
    paid = [instalment for instalment in done if instalment.instalment is not None]
    if paid:
        return Did("; ".join(f"{instalment.mandate}: {instalment.payments} payments" for instalment in paid))
    return Did("; ".join(f"{mandate.mandate}: {mandate.waits}" for mandate in done) or "no mandate", nothing=True)


JOBS: Final = (
    Job(name="seal", purpose="commit the tree to the chain's head", keys=("log",), work=_seal),
    Job(name="witness", purpose="have the newest checkpoint cosigned", keys=(), work=_witness),
    Job(name="attribute", purpose="attribute what lies in the inbox", keys=("log", "attribution"), work=_attribute),
    Job(name="segments", purpose="seal events into Parquet segments", keys=("log",), work=_segments),
    Job(name="close", purpose="close the month that has ended", keys=("log",), work=_close),
    Job(name="logs", purpose="see that the logs registered here have only grown", keys=(), work=_logs),
    Job(name="holds", purpose="end holds that have reached their date", keys=("log", "operator"), work=_holds),
    Job(
        name="instalments",
        purpose="pay what mandates allow on account of the open month",
        keys=("log", "operator"),
        work=_instalments,
    ),
    Job(name="chain", purpose="watch confirmations, write down what is final", keys=("log", "operator"), work=_chain),
)


def job_named(name: str) -> Job:
    """Return the job with this name; InputError lists all jobs."""
    for job in JOBS:
        if job.name == name:
            return job
    raise InputError(f"no job {name!r}; there are {', '.join(job.name for job in JOBS)}")
