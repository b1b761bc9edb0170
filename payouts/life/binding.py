"""Verify in a bundle that a run is binding: the close, the run, another person's approval, the publication.

Each act is checked with the keys that were valid at its index, and must come after the acts on which it depends.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

from ledger.errors import VerificationError
from ledger.proofs import bundle, canon, leaf, tree
from ledger.proofs.keyring import Key, KeyRing
from ledger.proofs.rings import Rings
from ledger.proofs.verify import Examination, Step
from ledger.types import WORKSPACE_APPROVER
from payouts.document import Given, same
from payouts.life import records

RUN_TYPE: Final = "application/vnd.settle.run+json"
PUBLICATION_TYPE: Final = "application/vnd.settle.publication+json"
INTRODUCED_ALONE: Final = "approver introduced by the operator alone"
COMMON: Final = ("close", "run", "document", "approvals", "publish", "publication")

Row = dict[str, Any]


@dataclass(frozen=True, slots=True, kw_only=True)
class Binding:
    """A binding run: its inputs, its document, its publication."""

    given: Given
    document: Row
    publication: Row


def check_binding(examination: Examination, document: Row, values: Mapping[str, Any]) -> Binding:
    """Check the chain from close to publication: closed, calculated, approved by another person, published."""
    rings = _rings(examination, document)
    with examination.step("the period was closed") as step:
        close = _leaf(examination, step, values["close"], "close")
        _check_close(examination, values["close"]["index"], close)
        examination.ring = rings.at(values["close"]["index"])
        examination.author_since_form_2(values["close"]["index"], close, "operator")
        root = tree.leaf_hash(canon.encode(values["close"]["leaf"])).hex()
        step.detail = f"period {close.get('period')} at {close.get('at')}, period root {root}"
    with examination.step("the run is in the log, with a document signed by the operator") as step:
        run = _leaf(examination, step, values["run"], "run")
        _check_order(values["close"], values["run"])
        index = values["run"]["index"]
        examination.ring = rings.at(index)
        payload, key = examination.statement(
            step, values["document"], run["statement"], RUN_TYPE, index + 1, "operator"
        )
        calculation = canon.decode_object(payload, "run document")
        inputs = _check_document(calculation, run, close, root, document["v"])
        rings.author(index, run, "operator")
        step.detail = f"run {run['run']} by {run['by']}, {key}"
    with examination.step("another person approved it, with another key") as step:
        step.detail = _check_approvals(examination, step, rings, values["approvals"], values["run"])
    with examination.step("it was published") as step:
        publish = _leaf(examination, step, values["publish"], "publish")
        for approval in values["approvals"]:
            _check_order(approval, values["publish"])
        index = values["publish"]["index"]
        rings.author(index, publish, "operator")
        examination.ring = rings.at(index)
        payload, _ = examination.statement(
            step,
            values["publication"],
            publish["statement"],
            PUBLICATION_TYPE,
            index + 1,
            "operator",
        )
        publication = canon.decode_object(payload, "publication")
        if publication.keys() != {"v", "run", "document", "intents"} or not same(publication["v"], inputs.v):
            raise VerificationError(
                f"a publication has the fields {sorted(publication)}, version {publication.get('v')!r}; the run's is "
                f"{inputs.v}"
            )
        if (publish["run"], publication["run"], publication["document"]) != (run["run"], run["run"], run["statement"]):
            raise VerificationError("the publication is of another run")
        step.detail = f"at {publish['at']}"
    examination.unchecked.append("whether the run was reversed later: ask for the newest checkpoint")
    examination.unchecked.append(
        f"whether another run of {run['period']}, pool {run['pool']}, sequence {run['sequence']}, was published before "
        "this one, and this one has no effect: compute the period again from settle period export"
    )
    examination.unchecked.append(
        f"whether {run['period']} was closed before by another entry, and this run is over a close without effect: "
        "settle period show lists it, settle period recompute refuses it"
    )
    return Binding(given=inputs, document=calculation, publication=publication)


def _rings(examination: Examination, document: Row) -> Rings:
    """Return the bundle's keys, with the sizes at which they were valid."""
    items = [bundle.placed(item, f"key leaf {n}") for n, item in enumerate(document["keys"])]
    trusted = examination.trust.log(examination.checkpoint.origin)
    return Rings(
        trusted.keys if trusted else (),
        [(item.index, leaf.decode(item.body)) for item in items],
        trusted.line if trusted else None,
    )


def _leaf(examination: Examination, step: Step, document: Any, kind: str) -> Row:
    item = bundle.placed(document, kind)
    body = examination.included(step, item)
    if body["type"] != kind:
        raise VerificationError(f"leaf {item.index} is a {body['type']} leaf, expected {kind}")
    return body


def _check_order(earlier: Row, later: Row) -> None:
    """Refuse an act that is in the log before the acts on which it depends."""
    if earlier["index"] >= later["index"]:
        kinds = earlier["leaf"]["type"], later["leaf"]["type"]
        raise VerificationError(
            f"the {kinds[1]} is leaf {later['index']} of the log, and the {kinds[0]} it rests on is leaf "
            f"{earlier['index']}"
        )


def _check_close(examination: Examination, index: int, body: Row) -> None:
    """Check that a close lists its own log, at a size up to its own index, and no log twice."""
    close = records.Close.read(body)
    sizes = {log.origin: log.size for log in close.logs}
    home = examination.checkpoint.origin
    if len(sizes) != len(close.logs) or home not in sizes or sizes[home] > index or close.registry_size > index:
        raise VerificationError(
            f"the close is leaf {index} of log {home}, and lists {dict(sizes)} with a registry of {close.registry_size}"
        )


def _check_document(document: Row, body: Row, close: Row, root: str, v: int) -> Given:
    """Return the run's inputs, after comparing the run's leaf with its document."""
    run = records.Run.read(body)
    if document.keys() != {"v", "run", "inputs", "result", "tables"} or not same(document["v"], v):
        raise VerificationError(
            f"a run's document has the fields {sorted(document)}, version {document.get('v')!r}; the bundle's is {v}"
        )
    inputs = Given.from_payload(document["inputs"], v)
    if not document["run"] == run.run == inputs.key:
        raise VerificationError(f"the document's inputs make run {inputs.key}; the log says {run.run}")
    if inputs.period_root.hex() != root or not (inputs.terms.period == close["period"] == run.period):
        raise VerificationError(f"the run is over period root {inputs.period_root.hex()}, the close has {root}")
    if inputs.registry_size != close["registry_size"]:
        raise VerificationError(f"the run saw a registry of {inputs.registry_size} entries, not the close's")
    if (inputs.terms.pool, inputs.sequence) != (run.pool, run.sequence):
        raise VerificationError(
            f"the document is of pool {inputs.terms.pool}, sequence {inputs.sequence}; "
            f"the log says {run.pool}, {run.sequence}"
        )
    return inputs


def _check_approvals(examination: Examination, step: Step, rings: Rings, approvals: Any, placed: Row) -> str:
    run = placed["leaf"]
    if not isinstance(approvals, list) or not approvals:
        raise VerificationError("nobody's approval is in the bundle")
    names: list[str] = []
    signers: set[str] = set()
    introduced_alone: list[bool] = []
    for item in approvals:
        body = _leaf(examination, step, item, "approve")
        records.Approve.read(body)
        _check_order(placed, item)
        key = rings.author(item["index"], body, "approver")
        if (body["subject"], body["document"]) != (run["run"], run["statement"]):
            raise VerificationError("the approval is of something else")
        if run["by"] in (body["by"], key.party) or key.public.id == run["key"]:
            raise VerificationError(f"{body['by']} made the run and approved it")
        if signers & {body["by"], key.party, key.public.id}:
            raise VerificationError(f"{body['by']} is shown to approve twice")
        signers |= {body["by"], key.party, key.public.id}
        if body["demo"] is True:
            examination.unchecked.append(
                f"who {body['by']} is: approved with the workspace's own approver key (one person may hold both: demo)"
            )
        else:
            introduced_alone.append(_introduced_alone(rings.at(item["index"]), key))
        names.append(f"{body['by']} with {key}")
    if introduced_alone and all(introduced_alone):
        examination.cautions.append(INTRODUCED_ALONE)
    return ", ".join(names)


def _introduced_alone(ring: KeyRing, key: Key) -> bool:
    """Return whether an approver's key leads back to the workspace's own key, which the operator holds (M5).

    Approvers introduce approvers, so the chain leads to a key in trust. An invented person's chain begins with the
    workspace's own key; the key of a person whom the reader trusts is in trust itself.
    """
    first: Key | None = key
    while first is not None and first.by is not None:
        first = ring.find(first.by)
    return first is None or first.party == WORKSPACE_APPROVER
