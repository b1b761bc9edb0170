"""Claim files: the data that one payee needs to claim on the chain and to prove the debt.

A claim is a bundle: the `post` leaf that recorded the posting, proven in the log, and the payee's leaf of
the payout tree with its proof. Its `root`, `leaf_encoding`, `leaf` and `proof` are what OpenZeppelin's
`StandardMerkleTree.verify` takes; `tree.json` beside the claims is its dump, for `StandardMerkleTree.load`.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any, Final

from contracts.address import parse_address
from contracts.errors import ClaimError, PostingError
from contracts.merkle import LEAF_ENCODING, leaf_hash, root_from
from contracts.posting import AMOUNT_MAX, Leaf, Pool, Posting, abi_row, payee_id
from ledger.proofs import bundle
from ledger.proofs.bundle import PlacedLeaf
from ledger.proofs.leaf import check_signature
from ledger.proofs.verify import Examination
from ledger.shown import counted

POST: Final = "post"
PROOF_MAX: Final = 24
_WORD: Final = re.compile(r"0x[0-9a-f]{64}\Z")
_NUMBER: Final = re.compile(r"(0|[1-9][0-9]{0,77})\Z")
_POST_FIELDS: Final = ("run", "chain_id", "pool", "sequence", "root", "total")


def post_fields(posting: Posting) -> dict[str, Any]:
    """The content of the ledger's `post` leaf of a posting; its writer adds the transaction."""
    pool = posting.pool
    return {
        "run": posting.run,
        "chain_id": pool.chain_id,
        "pool": pool.address,
        "token": pool.token,
        "currency": pool.currency,
        "decimals": pool.decimals,
        "sequence": posting.sequence,
        "root": "0x" + posting.tree.root.hex(),
        "total": str(posting.total),
        "payees": len(posting.leaves),
    }


def row_texts(leaf: Leaf, pool: Pool) -> list[str]:
    """A leaf as OpenZeppelin's tools write it: numbers in decimal, bytes and addresses in hex."""
    return [str(pool.chain_id), pool.address, "0x" + leaf.payee_id.hex(), leaf.account, str(leaf.cumulative)]


def claim_document(posting: Posting, row: int, salt: bytes) -> dict[str, Any]:
    """The claim of one payee, without the proof that the posting is in the log."""
    leaf = posting.leaves[row]
    return {
        "party": leaf.party,
        "salt": salt.hex(),
        "root": "0x" + posting.tree.root.hex(),
        "leaf_encoding": list(LEAF_ENCODING),
        "leaf": row_texts(leaf, posting.pool),
        "proof": ["0x" + node.hex() for node in posting.tree.proof(row)],
    }


def claim_bundle(
    posting: Posting, row: int, salt: bytes, *, checkpoint: bytes, post: PlacedLeaf, keys: Sequence[PlacedLeaf]
) -> bytes:
    """One payee's claim file."""
    document = claim_document(posting, row, salt)
    return bundle.encode("claim", checkpoint=checkpoint, keys=keys, post=post.document(), claim=document)


def tree_dump(posting: Posting) -> dict[str, Any]:
    """The whole tree as `StandardMerkleTree.dump()` writes it; it shows every account and amount."""
    return {
        "format": "standard-v1",
        "leafEncoding": list(LEAF_ENCODING),
        "tree": ["0x" + node.hex() for node in posting.tree.nodes],
        "values": [
            {"value": row_texts(leaf, posting.pool), "treeIndex": posting.tree.place(row)}
            for row, leaf in enumerate(posting.leaves)
        ],
    }


def examine(examination: Examination, document: dict[str, Any]) -> None:
    """The steps of a claim: the posting is in the log, and this payee's sum is under its root."""
    with examination.step("the posting is in the tree, signed by the operator") as step:
        post, claim = bundle.fields(document, "post", "claim")
        item = bundle.placed(post, "post")
        body = examination.included(step, item)
        if body["type"] != POST or any(name not in body for name in _POST_FIELDS):
            raise ClaimError(f"leaf {item.index} is a {body['type']}, expected a posting")
        counting = examination.ring.at(item.index + 1, "operator")
        signer = next((key for key in counting if key.public.id == body.get("key")), None)
        if signer is None:
            raise ClaimError(f"leaf {item.index} is signed by no operator key that counts there")
        check_signature(body, signer.public)
        step.detail = f"leaf {item.index}: posting {body['sequence']} of run {body['run']}, signed by {signer}"
    with examination.step("the claim is of this posting and this payee") as step:
        row = _row(claim, body)
        step.detail = f"{claim['party']} at {claim['leaf'][3]}: {claim['leaf'][4]} base units since the beginning"
        chain, pool, _, account, amount = claim["leaf"]
        examination.proved.append(
            f"{claim['party']} may claim {amount} base units since the beginning at pool {pool} of chain {chain}, for "
            f"account {account}"
        )
    with examination.step("the leaf leads to the posted root (keccak-256)") as step:
        root = root_from(leaf_hash(row), [bytes.fromhex(sibling[2:]) for sibling in claim["proof"]])
        if "0x" + root.hex() != claim["root"]:
            raise ClaimError(f"the leaf leads to 0x{root.hex()}, the posted root is {claim['root']}")
        step.detail = f"{counted(len(claim['proof']), 'hash', 'hashes')} to {claim['root']}"
    examination.unchecked.append(
        f"whether pool {body['pool']} on chain {body['chain_id']} serves this root, and what was claimed: ask a node"
    )


def _row(claim: Any, post: Mapping[str, Any]) -> bytes:
    """The ABI-encoded leaf that a claim states, once it agrees with the posting and with the payee's id."""
    names = {"party", "salt", "root", "leaf_encoding", "leaf", "proof"}
    if not isinstance(claim, dict) or set(claim) != names:
        raise ClaimError(f"claim: expected an object of {', '.join(sorted(names))}")
    if claim["leaf_encoding"] != list(LEAF_ENCODING):
        raise ClaimError(f"claim: leaf encoding {claim['leaf_encoding']}, expected {list(LEAF_ENCODING)}")
    leaf, proof = claim["leaf"], claim["proof"]
    if (
        not isinstance(leaf, list)
        or len(leaf) != len(LEAF_ENCODING)
        or not all(isinstance(value, str) for value in leaf)
    ):
        raise ClaimError(f"claim: a leaf has {len(LEAF_ENCODING)} texts")
    if not isinstance(proof, list) or len(proof) > PROOF_MAX:
        raise ClaimError(f"claim: a proof is a list of at most {PROOF_MAX} hashes")
    if not all(map(_is_word, [*proof, claim["root"], leaf[2]])):
        raise ClaimError("claim: root, payee id and proof hashes are 0x and 64 lowercase hex digits")
    if type(post["chain_id"]) is not int or post["chain_id"] < 0:
        raise ClaimError(f"claim: the posting's chain id is {post['chain_id']!r}")
    if leaf[:2] != [str(post["chain_id"]), post["pool"]] or claim["root"] != post["root"]:
        raise ClaimError("claim: its chain, pool or root is not the posting's")
    salt, party = claim["salt"], claim["party"]
    if not isinstance(salt, str) or not _is_word("0x" + salt) or not isinstance(party, str):
        raise ClaimError("claim: the salt is 64 hex digits, the party a text")
    expected = payee_id(bytes.fromhex(salt), party)
    if leaf[2] != "0x" + expected.hex():
        raise ClaimError(f"claim: payee id {leaf[2]} is not that of {party}, 0x{expected.hex()}")
    if not _NUMBER.match(leaf[4]) or int(leaf[4]) > AMOUNT_MAX:
        raise ClaimError(f"claim: {leaf[4]!r} is not an amount below 2^96")
    try:
        account, pool = parse_address(leaf[3]), parse_address(leaf[1])
    except PostingError as problem:
        raise ClaimError(f"claim: {problem}") from None
    return abi_row(int(leaf[0]), pool, expected, account, int(leaf[4]))


def _is_word(text: Any) -> bool:
    return isinstance(text, str) and _WORD.match(text) is not None
