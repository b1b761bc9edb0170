"""From a generated track to a signed vector: index the catalogue, attribute, assign, report, prove."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer

from cli.exits import EXIT_CODES
from cli.progress import progress
from cli.shell import emit, leave, say, wants_json, workspace
from ledger.errors import InputError, VerificationError
from ledger.shown import percents, with_interval

app = typer.Typer(no_args_is_help=True)


@app.command()
def index() -> None:
    """Add recordings to the search index: audio, notes or latents. Only new recordings are read."""
    from service.attribution.indexing import build_index

    with progress("Indexing", unit="recordings") as advance:
        built = build_index(workspace(), on_progress=advance)
    emit(built)


@app.command()
def encode(
    model: Annotated[Path, typer.Argument(help="The encoder: an ONNX file on this machine.")],
    files: Annotated[list[Path], typer.Argument(help="Sound files.")],
    out: Annotated[Path, typer.Option(help="The folder for the latents: FILE.npy for each sound.")],
    *,
    rate: Annotated[int, typer.Option(help="The sample rate that the encoder was trained with, in Hz.")],
    seconds: Annotated[float, typer.Option(help="The length of one window; there is a latent for each.")] = 5.0,
) -> None:
    """Encode sound into latents with a pretrained encoder.

    `settle index` and `settle attribute` take the latent files. Nothing is recorded.
    """
    from service.attribution.encoding import encode_files

    emit(encode_files(model, files, out, rate=rate, seconds=seconds))


@app.command()
def attribute(
    files: Annotated[list[Path] | None, typer.Argument(help="Sound, MIDI or latent files, or folders of them.")] = None,
    declared: Annotated[
        Path | None, typer.Option(help="Vectors that a generator declares: JSON, or one object per line.")
    ] = None,
    track: Annotated[
        str, typer.Option(help="The track's id, for a single file; by default the file's name without extension.")
    ] = "",
    method: Annotated[str, typer.Option(help="chroma, fingerprint, ivd, hybrid or influence.")] = "",
    *,
    study: Annotated[Path | None, typer.Option(help="For influence: the folder of the model's study.")] = None,
    no_assign: Annotated[
        bool, typer.Option("--no-assign", help="Record the vector as evidence only; it pays nobody.")
    ] = False,
    keep_declared: Annotated[
        bool,
        typer.Option("--keep-declared", help="Keep what the track's vector declares; estimate only what it leaves."),
    ] = False,
) -> None:
    """Attribute a track: sign its influence vector and assign it, unless --no-assign."""
    if (declared is None) == (not files):
        raise InputError("name files to attribute, or --declared FILE: one of the two")
    if declared is not None:
        from service.attribution.vectors import declare

        emit(declare(workspace(), declared, assign=not no_assign), text=_vectors_text)
        return
    if (method == "influence") != (study is not None):
        raise InputError("--method influence and --study FOLDER go together")
    if study is not None:
        from service.attribution.influencing import attribute_by_influence

        answers = attribute_by_influence(
            workspace(), study, files or [], assign=not no_assign, keep_declared=keep_declared
        )
        emit(answers, text=_vectors_text)
        return
    from service.attribution import residing

    with progress("Attributing", unit="tracks") as advance:
        attributed = residing.attribute(
            workspace(),
            files or [],
            track=track,
            method=method,
            assign=not no_assign,
            keep_declared=keep_declared,
            on_progress=advance,
        )
    emit(attributed.answers, text=_vectors_text)
    for failure in attributed.failed:
        say(f"settle: track {failure['track']} has no vector: {failure['reason']}")
    if attributed.failed:
        leave(EXIT_CODES[InputError])


@app.command()
def canary(
    files: Annotated[
        list[Path] | None, typer.Argument(help="Recordings from which no track can come; by default invented ones.")
    ] = None,
    count: Annotated[int, typer.Option(min=1, help="How many to invent, of each kind of file.")] = 20,
    method: Annotated[str, typer.Option(help="chroma, fingerprint, ivd or hybrid.")] = "",
) -> None:
    """Attribute the tracks again with canaries in the catalogue. A share for a canary is a false attribution."""
    from service.attribution.canaries import check

    with progress("Judging again", unit="tracks") as advance:
        checked = check(workspace(), files or [], count=count, method=method, on_progress=advance)
    emit(checked)
    if not checked.ok:
        leave(EXIT_CODES[VerificationError])


@app.command()
def assign(
    track: Annotated[str, typer.Argument(help="The track's id.")],
    digest: Annotated[str, typer.Argument(help="Digest of one of its recorded vectors.")],
    reason: Annotated[str, typer.Option(help="The reason; holders can read it.")],
) -> None:
    """Assign another recorded vector to a track; it pays for later events."""
    from service.attribution.vectors import assign as make_payable

    emit(make_payable(workspace(), track, digest, reason))


@app.command()
def report(
    track: Annotated[str, typer.Argument(help="The track's id.")],
    form: Annotated[str, typer.Option("--format", help="html, json or pdf.")] = "",
    out: Annotated[Path | None, typer.Option(help="Where to write it; by default TRACK.html or TRACK.pdf.")] = None,
) -> None:
    """Write a track's royalty report: sources, shares, certainty, and the unattributed part."""
    from service.attribution.report import report as royalty_report
    from service.attribution.report import report_text, write_report

    document = royalty_report(workspace(), track)
    if form in ("html", "pdf"):
        path = write_report(document, form, out or Path(f"{track}.{form}"))
        say(f"wrote {path}")
        if wants_json():
            emit(document)
        return
    if form not in ("", "json"):
        raise InputError(f"report format {form!r}, expected html, json or pdf")
    emit(document, text=as_json if form == "json" else report_text)


@app.command()
def evidence(
    track: Annotated[str, typer.Argument(help="The track's id.")],
    out: Annotated[Path, typer.Option(help="A folder for the bundle; created if it does not exist.")],
) -> None:
    """Write the evidence folder: all that a third party needs to judge an attribution and run it again."""
    from service.attribution.evidence import write_evidence

    emit(write_evidence(workspace(), track, out))


def as_json(document: Any) -> str:
    import json

    return json.dumps(document, ensure_ascii=False, indent=2)


def _vectors_text(answers: list[Any]) -> str:
    lines = []
    for answer in answers:
        state = "pays from now on" if answer.assigned else "recorded as evidence"
        lines.append(f"{answer.track}: {answer.method} vector {answer.digest[:16]}, {state}")
        for name, aspect in answer.vector.items():
            sources = sorted(aspect["sources"], key=lambda source: -source["ppm"])
            *shares, unattributed = percents([*(source["ppm"] for source in sources), aspect["unattributed"]])
            for source, share in zip(sources, shares, strict=True):
                shown_share = with_interval(share, source["low"], source["high"])
                lines.append(f"  {name:<12}{shown_share:<28}{source['id']}, {source['basis']}")
            lines.append(f"  {name:<12}{unattributed:<28}unattributed")
    return "\n".join(lines)
