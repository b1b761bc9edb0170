"""Find the track that a file is a copy of: by the manifest in it where there is one, and by its sound."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from attribution.index.recognition import candidates, recognised
from ledger.errors import InputError
from ledger.types import Digest
from service.attribution import song_sounds
from service.attribution.song_keys import anchors
from service.attribution.songs import assigned_vector
from service.attribution.vectors import vectors_of
from service.trade import provenance

if TYPE_CHECKING:
    from service.workspace import Workspace


@dataclass(frozen=True, slots=True, kw_only=True)
class SongFound:
    """What a file is a copy of. `track` is None where it is no copy of any track, or of several about as surely.

    `receipt` proves the track's vector to be in the log (C2SP tlog-proof).
    """

    file: str
    track: str | None
    recording: str | None
    by: tuple[str, ...]
    sureness: float | None
    part_ppm: int | None
    vector: Digest | None
    log: str
    index: int | None
    receipt: str | None
    manifest: dict[str, Any] | None
    remarks: tuple[str, ...]


def find_song(ws: Workspace, file: Path) -> SongFound:
    """Recognise a file by its manifest where it has one, and by its sound."""
    remarks: list[str] = []
    manifest = _manifest(ws, file, remarks)
    named = _named(ws, manifest, remarks)
    track = recording = None
    sureness = part = None
    if file.suffix.lower() == ".m4a":
        remarks.append("M4A cannot be decoded here: it was looked up by its manifest alone")
    else:
        # A copy of a recording must not pass for a track that uses it, so that both are looked through.
        items = {f"track {name}": stars for name, stars in song_sounds.sounds(ws).items()}
        items |= {f"recording {name}": stars for name, stars in song_sounds.catalogue(ws).items()}
        if unread := song_sounds.unread(ws):
            remarks.append(
                f"{len(unread):,} tracks were not compared, such as {min(unread)}: their sound was read by another "
                "version; attribute them again with `settle attribute`"
            )
        alike = candidates(song_sounds.listen(file), items)
        copied = recognised(alike)
        if copied is not None:
            kind, _, name = copied.id.partition(" ")
            track, recording = (name, None) if kind == "track" else (None, name)
            sureness, part = round(copied.strength, 1), round(copied.part * 1_000_000)
        elif alike:
            nearest = ", ".join(item.id for item in alike[:3])
            remarks.append(f"it sounds about as much like each of {nearest}: none is named")
    if named is not None and (recording is not None or track not in (None, named)):
        sounds_like = f"recording {recording!r}" if recording is not None else f"track {track!r}"
        remarks.append(f"its manifest names track {named!r}, but it sounds like {sounds_like}: its sound counts")
        named = None
    by = tuple(way for way, name in (("manifest", named), ("sound", track or recording)) if name is not None)
    track = track or named
    index = digest = receipt = None
    if track is not None and track in ws.log.assignments():
        digest, index, _ = assigned_vector(ws, track)
        receipt = ws.log.inclusion(index).decode()
    return SongFound(
        file=file.name,
        track=track,
        recording=recording,
        by=by,
        sureness=sureness,
        part_ppm=part,
        vector=digest,
        log=ws.log.origin,
        index=index,
        receipt=receipt,
        manifest=None
        if manifest is None
        else {"state": manifest.state, "signer": manifest.signer, "problems": manifest.problems, "song": manifest.song},
        remarks=tuple(remarks),
    )


def _manifest(ws: Workspace, file: Path, remarks: list[str]) -> provenance.SongManifest | None:
    media = provenance.MEDIA.get(file.suffix.lower())
    if media is None:
        return None
    try:
        with file.open("rb") as stream:
            return provenance.read(stream, media, anchors=anchors(ws))
    except OSError as problem:
        raise InputError(f"{file}: {problem.strerror or problem}") from None
    except InputError as problem:  # the sound can still be heard
        remarks.append(str(problem))
        return None


def _named(ws: Workspace, manifest: provenance.SongManifest | None, remarks: list[str]) -> str | None:
    """The track that a manifest names, if it is trusted and the log says the same; a remark where it is not."""
    if manifest is None or manifest.song is None:
        return None
    track, digest, index = (manifest.song.get(name) for name in ("track", "vector", "index"))
    if manifest.state != "trusted":
        why = ", ".join(manifest.problems) or "nobody whom song.anchors_file names signed it"
        remarks.append(f"its manifest names track {track!r} and does not count: {why}")
    elif manifest.song.get("log") != ws.log.origin:
        remarks.append(f"its manifest names track {track!r} of another log, {manifest.song.get('log')!r}")
    elif (digest, index) not in vectors_of(ws, str(track)):
        remarks.append(f"its manifest names vector {digest!r} at index {index!r}, which the log does not have")
    else:
        return str(track)
    return None
