"""Compare one row with the registry: it adds facts, is a duplicate, or is a conflict.

A registered row is never rewritten. A later row may fill in missing fields, change a party's group or personal fields
from now on, or confirm an asserted share. Any other difference is a conflict, and the registered row stays.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

from ledger.errors import ConflictError, InputError
from ledger.registry import facts as f
from ledger.registry import manifest
from ledger.registry import rows as r
from ledger.registry.fold import as_grant
from ledger.registry.model import (
    CATALOGUE,
    FOREVER,
    WORLD,
    Grant,
    Instant,
    Party,
    Recording,
    State,
    Work,
)
from ledger.registry.view import View
from ledger.types import Role

PersonalFields = Mapping[str, str]
Known = Callable[[str, str], PersonalFields | None]
"""(kind, id) -> the personal fields the erasable side holds, or None."""

Wrote = Callable[[int], str]
"""The party that registered the leaf at an index."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Author:
    """The party that registers, and the time."""

    party: str
    role: Role
    at: Instant


class Comparison(NamedTuple):
    """The facts a row adds, each with its personal fields; none if it is a duplicate. `blobs`: the blobs they name."""

    facts: Sequence[tuple[f.AnyFact, PersonalFields | None]] = ()
    blobs: Sequence[bytes] = ()


SAME = Comparison()


def compare(row: r.AnyRow, view: View, author: Author, known: Known, wrote: Wrote) -> Comparison:
    """Return what a row adds to a registry."""
    match row:
        case r.PartyRow():
            result = _party(row, view, author, known("party", row.id))
        case r.RecordingRow():
            result = _recording(row, view, author, known("recording", row.id), wrote)
        case r.WorkRow():
            result = _work(row, view, author, wrote)
        case r.LinkRow():
            result = _link(row, view, author, wrote)
        case r.ShareRow():
            result = _share(row, view, author, wrote)
        case r.GrantRow():
            result = _grant(row, view, author)
        case r.ModelRow():
            result = _model(row, view)
        case r.TrackRow():
            result = _track(row, view)
        case _:
            result = SAME
    return result


def _new(fact: f.AnyFact, personal: PersonalFields | None = None) -> Comparison:
    return Comparison(((fact, personal or None),))


def _differs(what: str, field: str, old: Any, new: Any) -> ConflictError:
    return ConflictError(f"{what}: registered with {field} {old!r}, this row says {new!r}; what is registered is kept")


def _filled(what: str, pairs: Mapping[str, tuple[Any, Any]]) -> bool:
    """Return whether a row fills in missing fields; ConflictError if it contradicts registered ones."""
    filled = False
    for field, (old, new) in pairs.items():
        if new is None or new == old:
            continue
        if old is not None:
            raise _differs(what, field, old, new)
        filled = True
    return filled


def _party(row: r.PartyRow, view: View, author: Author, held: PersonalFields | None) -> Comparison:
    personal_fields = {"name": row.name, "ipi": row.ipi, "isni": row.isni, "dpid": row.dpid}
    personal = {name: value for name, value in personal_fields.items() if value is not None}
    fact = f.PartyFact(id=row.id, kind=row.kind, group=row.group, start=row.start)
    old = view.parties.get(row.id)
    if old is None and author.role != "operator" and row.group not in (None, row.id):
        raise InputError(f"party {row.id} joins group {row.group}: a holder's key proposes that once it is registered")
    if old is None:
        return _new(fact, personal)
    if old.kind != row.kind:
        raise _differs(f"party {row.id}", "kind", old.kind, row.kind)
    new_group = _moves(row, old)
    erased = held is None and old.personal is not None
    renamed = not erased and {**(held or {}), **personal} != (held or {})
    if new_group:
        raise InputError(
            f"party {row.id} is in group {old.groups[-1][1]}; joining or leaving one is proposed and approved: "
            f"settle registry group propose {row.id} {row.group}"
        )
    return _new(f.PartyFact(id=row.id, kind=row.kind), {**(held or {}), **personal}) if renamed else SAME


def _moves(row: r.PartyRow, old: Party) -> bool:
    """Return whether a row puts a party into another group; a repetition of an earlier registration does not."""
    if row.group is None or row.group == old.groups[-1][1]:
        return False
    first = row.group == old.groups[0][1] and (row.start is None or row.start <= old.at)
    return not first and (row.start, row.group) not in old.groups


def _may_fill_in(what: str, old: Recording | Work, view: View, author: Author, wrote: Wrote) -> None:
    """Check that the author may add to a recording or work: the operator, a confirmed owner, or who registered it."""
    right = "master" if isinstance(old, Recording) else "publishing"
    owns = any(
        line.party == author.party and line.state == "confirmed" and line.start <= author.at < line.end
        for line in view.shares_of.get((old.id, right), ())
    )
    if author.role != "operator" and not owns and wrote(old.index) != author.party:
        raise InputError(
            f"{what}: only the operator, whoever registered it, or a holder of a confirmed {right} share may fill in "
            f"what was left out; it was signed by {author.party}"
        )


def _may_change(what: str, index: int, author: Author, wrote: Wrote) -> None:
    """Check that the author may replace an asserted row: the operator, or the party that asserted it."""
    if author.role != "operator" and (first := wrote(index)) != author.party:
        raise ConflictError(f"{what}: asserted by {first}; only {first} or the operator may change it")


def _recording(
    row: r.RecordingRow, view: View, author: Author, held: PersonalFields | None, wrote: Wrote
) -> Comparison:
    if row.id in view.works:
        raise ConflictError(f"recording {row.id}: a work has this id")
    facts: list[tuple[f.AnyFact, PersonalFields | None]] = []
    old = view.all_recordings.get(row.id)
    personal = None if row.artist is None else {"artist": row.artist}
    fact = f.RecordingFact(id=row.id, title=row.title, isrc=row.isrc, audio=row.audio, style=row.style)
    if old is None:
        facts.append((fact, personal))
    else:
        artist = row.artist if old.personal is not None and held is None else (held or {}).get("artist")
        if _filled(
            f"recording {row.id}",
            {
                "title": (old.title, row.title),
                "isrc": (old.isrc, row.isrc),
                "audio": (old.audio, row.audio),
                "style": (old.style, row.style),
                "artist": (artist, row.artist),
            },
        ):
            _may_fill_in(f"recording {row.id}", old, view, author, wrote)
            facts.append((fact, personal if artist is None else None))
    if row.work is not None:
        state: State = "confirmed" if author.role == "operator" else "asserted"
        link = r.LinkRow(recording=row.id, work=row.work, state=state)
        other_works = [linked.work for linked in view.links.get(row.id, ()) if linked.work != row.work]
        if other_works and not any(linked.work == row.work for linked in view.links[row.id]):
            raise _differs(f"recording {row.id}", "work", other_works[0], row.work)
        facts += _link(link, view, author, wrote, keep=True).facts
    return Comparison(facts)


def _work(row: r.WorkRow, view: View, author: Author, wrote: Wrote) -> Comparison:
    if row.id in view.all_recordings:
        raise ConflictError(f"work {row.id}: a recording has this id")
    fact = f.WorkFact(id=row.id, title=row.title, iswc=row.iswc)
    old = view.works.get(row.id)
    if old is None:
        return _new(fact)
    filled = _filled(f"work {row.id}", {"title": (old.title, row.title), "iswc": (old.iswc, row.iswc)})
    if not filled:
        return SAME
    _may_fill_in(f"work {row.id}", old, view, author, wrote)
    return _new(fact)


def _link(row: r.LinkRow, view: View, author: Author, wrote: Wrote, *, keep: bool = False) -> Comparison:
    """`keep`: a link that stands is not compared further."""
    name = r.link_id(row)
    fact = f.LinkFact(
        id=name, recording=row.recording, work=row.work, ppm=row.ppm, state=row.state, start=row.start, end=row.end
    )
    for old in view.links.get(row.recording, ()):
        if old.id == name:
            if keep or ((old.ppm, old.end) == (row.ppm, row.end or FOREVER) and not _confirms(row.state, old.state)):
                return SAME
            if (old.ppm, old.end) == (row.ppm, row.end or FOREVER):
                return _new(f.ConfirmFact(id=name, subject=row.recording))
            if old.state == "confirmed":
                raise _differs(f"link {row.recording} to {row.work}", "ppm", old.ppm, row.ppm)
            _may_change(f"link {row.recording} to {row.work}", old.index, author, wrote)
    return _new(fact)


def _confirms(new: State, old: State) -> bool:
    return new == "confirmed" and old == "asserted"


def _share(row: r.ShareRow, view: View, author: Author, wrote: Wrote) -> Comparison:
    name = r.share_id(row)
    fact = f.ShareFact(
        id=name,
        subject=row.subject,
        party=row.party,
        right=row.right,
        ppm=row.ppm,
        territory=row.territory,
        state=row.state,
        start=row.start,
        end=row.end,
    )
    for old in view.shares_of.get((row.subject, row.right), ()):
        if old.id != name:
            continue
        if (old.ppm, old.planned) == (row.ppm, row.end or FOREVER):
            return _new(f.ConfirmFact(id=name, subject=row.subject)) if _confirms(row.state, old.state) else SAME
        what = f"{row.right} share of {row.party} in {row.subject} ({row.territory})"
        if old.state == "confirmed":
            if old.ppm != row.ppm:
                raise _differs(what, "ppm", old.ppm, row.ppm)
            raise ConflictError(f"{what}: its end differs; a sale or a correction is `settle registry transfer`")
        _may_change(what, old.index, author, wrote)
    return _new(fact)


def _grant(row: r.GrantRow, view: View, author: Author) -> Comparison:
    fact = f.GrantFact(
        id=row.id,
        grantor=row.grantor,
        subject=row.subject,
        uses=tuple(sorted(row.uses)),
        decision=row.decision,
        territory=row.territory,
        start=row.start,
        end=row.end,
        licensee=row.licensee,
        model=row.model,
        floor_micros=row.floor_micros,
        currency=row.currency,
        cap_ppm=row.cap_ppm,
        sunset=row.sunset,
    )
    new = as_grant(fact)
    old = view.grants.get(row.id)
    if old is not None:
        if terms(old) != terms(new):
            raise ConflictError(
                f"grant {row.id}: registered with other terms, which are kept; revoke it and grant anew by another id"
            )
        return SAME
    if new.start < author.at and narrows(new):
        for affected in _affected(new, view):
            if overlaps(affected, new, until=author.at):
                raise InputError(
                    f"grant {row.id} would narrow {affected.id} from {r.day(new.start) or 'the beginning'} on, before "
                    f"its own registration: let it start at {author.at} or later"
                )
    return _new(fact)


def _affected(new: Grant, view: View) -> Iterator[Grant]:
    """Return the grants whose effect a new one could change: its grantor's, and for a work those on its recordings."""
    if new.subject == CATALOGUE:
        yield from view.grants_by(new.grantor)
        return
    yield from view.grants_of.get((new.grantor, new.subject), ())
    yield from view.grants_of.get((new.grantor, CATALOGUE), ())
    for recording in view.recordings_of.get(new.subject, ()):
        for line in view.shares_of.get((recording, "master"), ()):
            yield from view.grants_of.get((line.party, recording), ())
            yield from view.grants_of.get((line.party, CATALOGUE), ())


def terms(grant: Grant) -> tuple[Any, ...]:
    """Return the fields in which two registrations of one grant must agree."""
    return (
        grant.grantor,
        grant.subject,
        grant.uses,
        grant.decision,
        grant.territory,
        grant.start,
        grant.end,
        grant.licensee,
        grant.model,
        grant.floor_micros,
        grant.currency,
        grant.cap_ppm,
        grant.sunset,
    )


def narrows(grant: Grant) -> bool:
    """Return whether a grant can narrow a permission: it denies, asks, or sets terms."""
    return grant.decision != "allow" or grant.cap_ppm is not None or grant.floor_micros is not None


def overlaps(old: Grant, new: Grant, *, until: Instant) -> bool:
    """Return whether `new` could change what the allowing grant `old` permitted before `until`."""
    return (
        old.decision == "allow"
        and (old.grantor != new.grantor or old.subject == new.subject or CATALOGUE in (old.subject, new.subject))
        and not set(old.uses).isdisjoint(new.uses)
        and (old.territory == new.territory or WORLD in (old.territory, new.territory))
        and (old.licensee is None or new.licensee is None or old.licensee == new.licensee)
        and max(old.start, new.start) < min(old.end, new.end, until)
    )


def _model(row: r.ModelRow, view: View) -> Comparison:
    if row.training_file is not None:
        raise InputError(f"training_file {row.training_file!r}: no such file beside the document")
    listed, blob = None, None
    if row.training is not None:
        listed, blob = manifest.make(row.training)
    old = view.models.get(f"{row.id}@{row.version}")
    if old is not None:
        # The list itself is compared, not its root: a version registered by release 0.1 has a root of another form.
        lists = [None if training is None else training.blob for training in (old.manifest, listed)]
        if (old.operator, old.weights_sha256, old.licences, lists[0]) != (
            row.operator,
            row.weights_sha256,
            row.licences,
            lists[1],
        ):
            raise ConflictError(f"model {old.key}: a registered version never changes; register another version")
        return SAME
    fact = f.ModelFact(
        id=row.id,
        version=row.version,
        operator=row.operator,
        weights_sha256=row.weights_sha256,
        licences=row.licences,
        manifest=listed,
    )
    return Comparison(((fact, None),), () if blob is None else (blob,))


def _track(row: r.TrackRow, view: View) -> Comparison:
    fact = f.TrackFact(
        id=row.id,
        title=row.title,
        model=row.model,
        version=row.version,
        generated_at=row.generated_at,
        audio_sha256=row.audio_sha256,
        conditioning=row.conditioning,
        decisions=row.decisions,
        form=2,
        isrc=row.isrc,
        aliases=tuple(sorted(set(row.aliases))),
    )
    old = view.tracks.get(row.id)
    if old is None or old.draft:
        return _new(fact)
    for field in ("model", "version", "title", "generated_at", "audio_sha256", "conditioning", "decisions"):
        if getattr(old, field) != getattr(fact, field):
            raise _differs(f"track {row.id}", field, getattr(old, field), getattr(fact, field))
    named = _filled(f"track {row.id}", {"isrc": (old.isrc, fact.isrc)}) or not set(fact.aliases) <= set(old.aliases)
    return _new(fact) if named else SAME
