"""Change the workspace's trust.json."""

from __future__ import annotations

from dataclasses import replace

from ledger.files import write_whole
from ledger.proofs import admin, canon, policy
from ledger.proofs.trust import Trust
from service.workspace import TRUST, Workspace


def adopt_policy(workspace: Workspace, text: bytes) -> Trust:
    """Copy a tlog-policy's witnesses and quorum into trust.json; its log lines are ignored.

    The log records the adoption first: a crash in between leaves a record without effect, never an effect without a
    record.
    """
    adopted = replace(policy.parse(text), logs=())
    renewed = replace(workspace.trust, policy=adopted)
    if renewed != workspace.trust:
        about = canon.digest(adopted.encode())
        signer = workspace.signer("operator")
        workspace.log.append([admin.make(workspace.clock(), "witness-policy-adopted", about, signer=signer)])
    path = workspace.home / TRUST
    write_whole(path, renewed.encode())
    return renewed
