"""Change the workspace's trust.json."""

from __future__ import annotations

from dataclasses import replace

from ledger.files import write_whole
from ledger.proofs import admin, canon, policy
from ledger.proofs.trust import Trust
from service.workspace import TRUST, Workspace


def adopt_policy(workspace: Workspace, text: bytes) -> Trust:
    """Put a tlog-policy's witnesses and quorum into trust.json; its log lines are left to trust.json itself.

    The log says first that it was adopted: a crash in between leaves an act without effect, never an effect unsaid.
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
