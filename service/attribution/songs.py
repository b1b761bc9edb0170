"""Songs that carry their proof: a track's sound with a C2PA manifest, and the bundle that proves it offline."""

from __future__ import annotations

import shutil
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

from attribution.hearing.audio import file_digest
from attribution.index.recognition import candidates, recognised
from ledger.errors import InputError, StateError
from ledger.files import whole, write_whole
from ledger.proofs import canon, dsse
from ledger.proofs.vector import read_statement
from ledger.registry.model import SEVERITY, Answer, Track
from ledger.registry.papers import CLEARANCE_TYPE
from ledger.registry.release import use_of
from ledger.types import ASPECTS, STYLE_PREFIX, Digest, InfluenceVector, format_time
from service.attribution import song_sounds
from service.attribution.attributing import remembered
from service.attribution.song_keys import anchors, credential
from service.attribution.vectors import vectors_of
from service.operating import prove
from service.registry.deciding import judge
from service.trade import provenance
from service.verify_page import PAGE

if TYPE_CHECKING:
    from ledger.registry.view import View
    from service.workspace import Workspace


@dataclass(frozen=True, slots=True, kw_only=True)
class SongExported:
    """What was written: the song, its bundle, its description and the page that checks the bundle."""

    track: str
    vector: Digest
    log: str
    index: int
    audio: Path
    bundle: Path
    description: Path
    page: Path
    matched_by: str
    manifest: str


def export_song(ws: Workspace, track: str, out: Path, *, audio: Path | None, contributed: list[str]) -> SongExported:
    """Write a track's sound with its manifest into a folder, with its proof beside it."""
    if unknown := sorted(set(contributed) - set(provenance.ROLES)):
        raise InputError(f"--ai {unknown[0]!r}: expected one of {', '.join(provenance.ROLES)}")
    view = ws.registry.view()
    record = view.track(track)
    digest, index, vector = assigned_vector(ws, track)
    source = audio or _remembered_path(ws, track, vector)
    media = provenance.MEDIA.get(source.suffix.lower())
    if media is None:
        kinds = ", ".join(kind.lstrip(".").upper() for kind in provenance.MEDIA)
        raise InputError(f"{source}: a manifest can travel in {kinds}; export the song as one of them")
    signing = credential(ws)
    matched_by = _matched(ws, record, source)
    song = {
        "v": 1,
        "track": track,
        "vector": digest,
        "log": ws.log.origin,
        "index": index,
        "method": vector.method,
        "uses": permitted(view, track, vector),
        "certificate": certificate_of(ws, view, track, digest),
    }
    out.mkdir(parents=True, exist_ok=True)
    target = out / f"{file_name(track)}{source.suffix.lower()}"
    if target.resolve() == source.resolve():
        raise InputError(f"--out {out}: the song's own file stands there; name another folder")
    with source.open("rb") as file, whole(target) as signed:
        provenance.write(file, media, signed, title=record.title or track, song=song, credential=signing)
    with target.open("rb") as file:
        manifest = provenance.read(file, media, anchors=anchors(ws))
    if manifest is None or manifest.state == "invalid" or manifest.song != song:
        target.unlink()
        problems = ", ".join(manifest.problems) if manifest else "there is none"
        raise StateError(f"the manifest of {target} does not hold after it was written: {problems}; nothing is kept")
    bundle, description = target.with_suffix(".bundle"), target.with_suffix(".json")
    write_whole(bundle, prove(ws, index=index).bundle)
    document = song | {
        "title": record.title,
        "file": target.name,
        "file_sha256": file_digest(target),
        "source_sha256": file_digest(source),
        "matched_by": matched_by,
        "digital_source_type": provenance.GENERATED,
        "ai_contributions": sorted(set(contributed), key=provenance.ROLES.index),
        "bundle": bundle.name,
    }
    write_whole(description, canon.encode(document) + b"\n")
    shutil.copyfile(PAGE, out / PAGE.name)
    return SongExported(
        track=track,
        vector=digest,
        log=ws.log.origin,
        index=index,
        audio=target,
        bundle=bundle,
        description=description,
        page=out / PAGE.name,
        matched_by=matched_by,
        manifest=manifest.state,
    )


def assigned_vector(ws: Workspace, track: str) -> tuple[Digest, int, InfluenceVector]:
    """The vector by which a track pays, and where the log has it."""
    assigned = ws.log.assignments().get(track)
    if assigned is None:
        raise StateError(f"track {track!r} has no assigned vector; attribute it with `settle attribute`")
    digest = assigned[0]
    return digest, dict(vectors_of(ws, track))[digest], read_statement(ws.log.blob(digest))


def permitted(view: View, track: str, vector: InfluenceVector) -> list[dict[str, str]]:
    """What was done with the track's sources, and whether all of them permitted it: the strictest answer counts."""
    answers: dict[str, Answer] = {}
    for aspect in ASPECTS:
        for source in vector.aspect(aspect).sources:
            if source.id.startswith(STYLE_PREFIX):
                continue
            use = use_of(source)
            answer = view.decide_track(track, source.id, use, receipts=vector.decisions).decision
            answers[use] = max(answer, answers.get(use, answer), key=SEVERITY.__getitem__)
    return [{"use": use, "decision": answers[use]} for use in sorted(answers)]


def certificate_of(ws: Workspace, view: View, track: str, vector: Digest) -> Digest | None:
    """The newest release certificate of the track with this vector; none while a source is denied.

    A source may be denied in this track, or today: a song that leaves then does not say that all was permitted.
    """
    verdict, now = judge(ws, view, track), format_time(ws.clock())
    if verdict.trained_without:
        return None
    for source in verdict.sources:
        today = replace(view.question_of(view.track(track), source.id, source.use), at=now)
        if "deny" in (source.decision, view.answer(today).decision):
            return None
    fitting = [
        clearance.id
        for clearance in view.clearances.get(track, ())
        # A royalty-clean certificate is of a track's money and stands in the same list.
        if clearance.vector == vector and dsse.parse(ws.log.blob(clearance.id)).payload_type == CLEARANCE_TYPE
    ]
    return fitting[-1] if fitting else None


def _remembered_path(ws: Workspace, track: str, vector: InfluenceVector) -> Path:
    attributed = remembered(ws).get(f"{track}@{vector.method}")
    if attributed is None or not Path(attributed.path).is_file():
        raise InputError(f"track {track!r}: this host does not know its sound file; name it with --audio FILE")
    return Path(attributed.path)


def _matched(ws: Workspace, record: Track, source: Path) -> str:
    """How the file is known to be the track's; StateError where it is not."""
    digest = file_digest(source)
    digests = {digest_of for track, digest_of in song_sounds.digests(ws) if track == record.id}
    if digest == record.audio_sha256 or (record.audio_sha256 is None and digest in digests):
        song_sounds.remember(ws, record.id, source)
        return "digest"
    sounds = song_sounds.sounds(ws)
    if record.id in sounds and source.suffix.lower() != ".m4a":
        copied = recognised(candidates(song_sounds.listen(source), sounds))
        if copied is not None and copied.id == record.id:
            return "fingerprint"
    raise StateError(
        f"{source} is not the sound of track {record.id!r}: its SHA-256 is {digest[:16]}, the registered one is "
        f"{(record.audio_sha256 or 'not known')[:16]}, and it does not sound like what was attributed"
    )


def file_name(track: str) -> str:
    """A track's id as the name of a file: ids of others may hold what names a folder.

    A changed name has a part of the id's digest, or `a/b` would write over the song of `a_b`. Case counts in an id and
    not in every file system, so that a capital is a change too.
    """
    name = "".join(sign if sign.isalnum() or sign in "-_." else "_" for sign in track).lstrip(".")
    if name == track and name == name.lower():
        return name
    return f"{name or 'song'}-{canon.digest(track.encode())[:12]}"
