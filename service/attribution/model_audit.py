"""Audit a model from its weights: compare it and its training items with the registry; state each owner's share.

A collecting society or an auditor runs it on the operator's submission: the weights, the study (training items and
adapter) and a sample of generated tracks. Each comparison that is not possible is reported as `not checked`.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Final, Literal

import numpy as np

from attribution.influence.adapter import read_checkpoint
from attribution.influence.retraining import likelihoods
from attribution.influence.score import Scored, score
from attribution.influence.study import Study, read_fit
from ledger.errors import InputError
from ledger.types import MILLION
from service.registry.training import check_model, training

if TYPE_CHECKING:
    from service.workspace import Workspace

RESAMPLES: Final = 1000
BASIS: Final = (
    "the study's trained models and fit are the operator's own and were not made again; to make them, remove jobs/ "
    "and fit.json from the study, then run `settle influence bank` and `settle influence fit`"
)
"""What the fair shares rest on."""
NAMED: Final = 20
"""How many recordings a check names; the rest are counted."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ModelCheck:
    """One comparison: `differs` is a finding, `not checked` says what was missing to make it."""

    name: str
    result: Literal["agrees", "differs", "not checked"]
    detail: str
    recordings: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class FairShare:
    """An owner's mean share of the sampled tracks, and 90 % bounds."""

    owner: str
    mean_ppm: int
    low_ppm: int
    high_ppm: int


@dataclass(frozen=True, slots=True, kw_only=True)
class ModelAudit:
    """The result of an audit of a model version. `ok` is False if a comparison differs."""

    model: str
    ok: bool
    checks: tuple[ModelCheck, ...]
    tracks: int
    unattributed_ppm: int
    owners: tuple[FairShare, ...]
    skill_ppm: int
    held_out_r_ppm: int
    interval: str
    basis: str


def audit(
    ws: Workspace, model: tuple[str, str], folder: Path, weights: Path, tracks: Path, *, items: int = 100
) -> ModelAudit:
    """Compare a submitted model with what was registered, and state each owner's fair share of the sampled tracks."""
    study = Study(folder)
    name = "@".join(model)
    if (study.plan.model, study.plan.model_version) != model:
        raise InputError(
            f"study {folder} is of model {study.plan.model}@{study.plan.model_version}; the audit is of {name}"
        )
    fit = read_fit(study)
    checks = (
        _check_weights(ws, model, weights),
        *_check_manifest(ws, model, study),
        _check_owners(ws, study),
        _check_permissions(ws, model),
        _check_trained(study, weights, items),
    )
    registered = {recording.id for recording in ws.registry.view().recordings()}
    scored = score(study, tracks, registered)
    if not scored:
        raise InputError(f"{tracks}: no track in it; the fair shares are measured on a sample of what the model made")
    return ModelAudit(
        model=name,
        ok=all(check.result != "differs" for check in checks),
        checks=checks,
        tracks=len(scored),
        unattributed_ppm=round(float(np.mean([answer.vector.recording.unattributed for answer in scored]))),
        owners=_fair_shares(study, scored, int(fit["half_width_ppm"])),
        skill_ppm=fit["skill_ppm"],
        held_out_r_ppm=fit["held_out_r_ppm"],
        basis=BASIS,
        interval="90 %: tracks drawn again with replacement, widened on both sides by the fit's error of a share",
    )


def _check_weights(ws: Workspace, model: tuple[str, str], weights: Path) -> ModelCheck:
    registered = ws.registry.view().model(*model).weights_sha256
    try:
        with weights.open("rb") as file:
            submitted = hashlib.file_digest(file, "sha256").hexdigest()
    except OSError as problem:
        raise InputError(f"weights {weights}: cannot be read ({problem.strerror})") from None
    if registered is None:
        return ModelCheck(name="weights", result="not checked", detail="the version was registered without a digest")
    detail = f"SHA-256 {submitted[:16]}..., registered {registered[:16]}..."
    return ModelCheck(name="weights", result="agrees" if submitted == registered else "differs", detail=detail)


def _check_manifest(ws: Workspace, model: tuple[str, str], study: Study) -> list[ModelCheck]:
    """Compare the submitted training items with the training list that the operator committed to."""
    view = ws.registry.view()
    if view.model(*model).manifest is None:
        detail = "the version was registered without a training list"
        return [ModelCheck(name="training list", result="not checked", detail=detail)]
    listed, shown = set(training(ws, view, *model)), {item.id for item in study.items}
    return [
        _set_check("shown items are in the training list", shown - listed, len(shown)),
        _set_check("the training list's recordings are shown", listed - shown, len(listed)),
    ]


def _check_owners(ws: Workspace, study: Study) -> ModelCheck:
    """Check that the study's owner of each item holds the recording in the registry, alone or within a group."""
    view, now = ws.registry.view(), ws.registry.now()
    registered = {recording.id for recording in view.recordings()}
    strangers = set()
    for item in study.items:
        if item.id in registered:
            holders = {share.party for share, _ in view.share_lines(item.id)}
            if item.owner not in holders | set(view.owner_groups(item.id, now)):
                strangers.add(item.id)
    return _set_check("owners are the registry's", strangers, sum(item.id in registered for item in study.items))


def _check_permissions(ws: Workspace, model: tuple[str, str]) -> ModelCheck:
    if ws.registry.view().model(*model).manifest is None:
        detail = "the version was registered without a training list"
        return ModelCheck(name="permissions", result="not checked", detail=detail)
    answer = check_model(ws, *model)
    denied = {str(missing["recording"]) for missing in answer["missing"]}
    return _set_check("training was permitted", denied, int(answer["recordings"]))


def _check_trained(study: Study, weights: Path, count: int) -> ModelCheck:
    """Check that the submitted weights fit a sample of the training items better than an untrained model does."""
    submitted = read_checkpoint(study.adapter, weights)
    numbers = np.random.default_rng(study.plan.producer).permutation(len(study.items))[:count]
    chosen = sorted(int(number) for number in numbers)
    data = study.adapter.data(chosen)
    trained = likelihoods(study.adapter, submitted.model, data)
    untrained = likelihoods(study.adapter, study.adapter.model(submitted.seed), data)
    unknown = {study.items[number].id for number, gain in zip(chosen, trained - untrained, strict=True) if gain <= 0}
    return _set_check("the weights learned the sampled items", unknown, len(chosen))


def _set_check(name: str, recordings: set[str], total: int) -> ModelCheck:
    named = tuple(sorted(recordings))[:NAMED]
    detail = f"{total - len(recordings)} of {total}"
    return ModelCheck(name=name, result="differs" if recordings else "agrees", detail=detail, recordings=named)


def _fair_shares(study: Study, scored: Sequence[Scored], half_width_ppm: int) -> tuple[FairShare, ...]:
    owner_of = {item.id: item.owner for item in study.items}
    rows = {owner: n for n, owner in enumerate(study.owners)}
    table = np.zeros((len(study.owners), len(scored)))
    for column, answer in enumerate(scored):
        for source in answer.vector.recording.sources:
            table[rows[owner_of[source.id]], column] += source.ppm
    draws = np.random.default_rng(study.plan.producer).integers(0, len(scored), (RESAMPLES, len(scored)))
    low, high = np.quantile(table[:, draws].mean(axis=2), (0.05, 0.95), axis=1)
    shares = [
        FairShare(
            owner=owner,
            mean_ppm=round(float(table[n].mean())),
            low_ppm=max(0, round(float(low[n])) - half_width_ppm),
            high_ppm=min(MILLION, round(float(high[n])) + half_width_ppm),
        )
        for owner, n in rows.items()
    ]
    return tuple(sorted(shares, key=lambda share: (-share.mean_ppm, share.owner)))


def as_text(answer: ModelAudit) -> str:
    """Return the audit as text: the comparisons, then the shares."""
    lines = [f"model {answer.model}: {'nothing differs' if answer.ok else 'DIFFERS from what was registered'}", ""]
    for check in answer.checks:
        lines.append(f"{check.result:<12}{check.name}: {check.detail}")
        lines += [f"            {recording}" for recording in check.recordings]
    lines += ["", f"Mean share of {answer.tracks} tracks, with 90 % bounds:"]
    lines += [
        f"{share.mean_ppm / 1e4:8.2f} %  ({share.low_ppm / 1e4:.2f} to {share.high_ppm / 1e4:.2f})  {share.owner}"
        for share in answer.owners
    ]
    lines.append(f"{answer.unattributed_ppm / 1e4:8.2f} %  unattributed")
    r, skill = answer.held_out_r_ppm / 1e6, answer.skill_ppm / 1e6
    lines += ["", f"On held-out works, against retraining: correlation {r:.2f}, skill {skill:.2f}."]
    lines.append(f"Not checked: {answer.basis}.")
    return "\n".join(lines)
