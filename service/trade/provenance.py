"""C2PA manifests in sound files: written with what the log says of a track, and read without asking anybody.

Nothing is fetched: a reader that fetched the manifest, or the state of the certificate, from the address in a file
would call whomever the file names. A manifest carries no time stamp of others, which would have to be fetched too: when
its certificate ends, readers no longer trust it. The entry in the log is the record; the manifest only travels.
"""

from __future__ import annotations

import json
import logging
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, BinaryIO, Final, Literal

from ledger.errors import InputError

if TYPE_CHECKING:
    from c2pa import Context

MEDIA: Final[Mapping[str, str]] = {
    ".wav": "audio/wav",
    ".mp3": "audio/mpeg",
    ".flac": "audio/flac",
    ".m4a": "audio/mp4",
}
"""By a file's suffix, the media types in which a manifest can travel."""
ASSERTION: Final = "org.settle.song"
GENERATED: Final = "http://cv.iptc.org/newscodes/digitalsourcetype/trainedAlgorithmicMedia"
"""The code of the IPTC for what a trained model generated."""
ROLES: Final = ("vocals", "instrumentation", "composition", "post-production", "lyrics")
"""What a model may have contributed to, as DDEX lists it in its disclosure of AI."""
NO_MANIFEST: Final = "ManifestNotFound"

ManifestState = Literal["trusted", "valid", "invalid"]
"""`valid`: nothing was changed, and the certificate is nobody's whom we trust."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Credential:
    """What a manifest is signed with: a private key and its certificates, the signing one first, both as PEM."""

    algorithm: str
    key: bytes
    certificates: bytes


@dataclass(frozen=True, slots=True, kw_only=True)
class SongManifest:
    """A manifest that was read. `song` is what Settle wrote into it; None where it is of another's making."""

    state: ManifestState
    signer: str
    song: Mapping[str, Any] | None
    problems: tuple[str, ...]
    """The codes of C2PA for what does not hold."""


def write(
    file: BinaryIO, media: str, out: BinaryIO, *, title: str, song: Mapping[str, Any], credential: Credential
) -> None:
    """Copy a sound file with a signed manifest in it. One that it had already stays in it, as the one before."""
    from c2pa import Builder, C2paBuilderIntent, C2paError, C2paSignerInfo, Signer

    follows = read(file, media) is not None
    action = {"action": "c2pa.published" if follows else "c2pa.created", "digitalSourceType": GENERATED}
    manifest = {
        "claim_generator_info": [{"name": "Settle"}],
        "title": title,
        "format": media,
        "assertions": [
            {"label": "c2pa.actions.v2", "data": {"actions": [action]}},
            {"label": ASSERTION, "kind": "Json", "data": dict(song)},
        ],
    }
    file.seek(0)
    try:
        with _quiet(), _offline() as context:
            info = C2paSignerInfo(credential.algorithm.encode(), credential.certificates, credential.key, None)
            builder = Builder(manifest, context)
            if follows:
                builder.set_intent(C2paBuilderIntent.EDIT)
            builder.sign(Signer.from_info(info), media, file, out)
    except C2paError as problem:
        raise InputError(f"the song cannot be signed: {problem}") from None


def read(file: BinaryIO, media: str, *, anchors: str = "") -> SongManifest | None:
    """The manifest in a sound file, checked against these certificates (PEM); None where there is none."""
    from c2pa import C2paError, Reader

    file.seek(0)
    try:
        with _quiet(), _offline(anchors) as context, Reader(media, file, context=context) as reader:
            document = json.loads(reader.json())
            state = reader.get_validation_state()
    except C2paError as problem:
        if str(problem).startswith(NO_MANIFEST):
            return None
        raise InputError(f"its C2PA manifest cannot be read: {problem}") from None
    results = (document.get("validation_results") or {}).get("activeManifest") or {}
    active = (document.get("manifests") or {}).get(document.get("active_manifest")) or {}
    songs = [item.get("data") for item in active.get("assertions", ()) if item.get("label") == ASSERTION]
    states: dict[str | None, ManifestState] = {"Trusted": "trusted", "Valid": "valid"}
    return SongManifest(
        state=states.get(state, "invalid"),
        signer=str((active.get("signature_info") or {}).get("issuer", "")),
        song=songs[0] if len(songs) == 1 and isinstance(songs[0], dict) else None,
        problems=tuple(sorted({str(item.get("code")) for item in results.get("failure", ())})),
    )


def _offline(anchors: str = "") -> Context:
    """The settings of the C2PA library under which it calls nobody."""
    from c2pa import Context

    settings: dict[str, Any] = {"verify": {"remote_manifest_fetch": False, "ocsp_fetch": False}}
    if anchors:
        settings["trust"] = {"user_anchors": anchors}
    return Context.from_dict(settings)


@contextmanager
def _quiet() -> Iterator[None]:
    """The library logs what it raises too."""
    logger = logging.getLogger("c2pa")
    level = logger.level
    logger.setLevel(logging.CRITICAL)
    try:
        yield
    finally:
        logger.setLevel(level)
