"""The witness's rule: every status the specification names, in its order, and nothing else cosigned."""

from __future__ import annotations

from collections.abc import Sequence

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ledger.errors import VerificationError
from ledger.proofs import checkpoint, cosign, note, tree, witness
from ledger.proofs.keys import PrivateKey
from ledger.proofs.note import Note, NoteSignature, Vkey
from ledger.proofs.witness import CosignedHead, CosignRequest
from tests.ledger.reference import Reference
from tests.ledger.world import seeded

KEY = seeded("log")
ORIGIN = "example.com/behind-the-sofa"
VKEY = Vkey(ORIGIN, KEY.public)
TREE = Reference([b"%d" % n for n in range(40)])
FORK = Reference([b"%d" % n for n in range(7)] + [b"other %d" % n for n in range(33)])


def signed(size: int, *keys: PrivateKey, of: Reference = TREE) -> bytes:
    return checkpoint.sign(ORIGIN, size, of.root(size), *(keys or (KEY,)))


def request(old: int, new: int, *, of: Reference = TREE, proof: Sequence[bytes] | None = None) -> CosignRequest:
    honest = of.proof(old, new) if 0 < old <= new else []
    return CosignRequest(old=old, proof=tuple(honest if proof is None else proof), checkpoint=signed(new, of=of))


def status(asked: CosignRequest, held: CosignedHead, vkeys: Sequence[Vkey] = (VKEY,)) -> int:
    return witness.decide(asked, held, vkeys).status


def held(size: int) -> CosignedHead:
    return CosignedHead(size, TREE.root(size))


def test_growth_is_cosigned() -> None:
    """If this fails, an honest log is refused by its own witnesses."""
    for old in range(20):
        for new in range(old, 20):
            decision = witness.decide(request(old, new), held(old), [VKEY])
            assert decision.status == 200, (old, new, decision.reason)
            assert decision.checkpoint is not None
            assert (decision.checkpoint.size, decision.checkpoint.root) == (new, TREE.root(new))


def test_an_unknown_log() -> None:
    """If this fails, a witness cosigns logs it was not told to."""
    assert status(request(0, 5), CosignedHead(), []) == 404


def test_signatures_nobody_trusts() -> None:
    """If this fails, anyone can move a witness's view of a log."""
    stranger = CosignRequest(old=0, proof=(), checkpoint=signed(5, seeded("stranger")))
    assert status(stranger, CosignedHead()) == 403
    text = note.parse(signed(5)).text
    false = Note(text, (NoteSignature(VKEY.name, VKEY.id, bytes(64)),)).encode()
    assert status(CosignRequest(old=0, proof=(), checkpoint=false), CosignedHead()) == 403
    both = CosignRequest(old=0, proof=(), checkpoint=signed(5, seeded("stranger"), KEY))
    assert status(both, CosignedHead()) == 200


def test_an_old_size_above_the_new() -> None:
    """If this fails, a malformed request is answered as if it were a conflict."""
    assert status(CosignRequest(old=6, proof=(), checkpoint=signed(5)), held(6)) == 400


def test_another_size_is_held() -> None:
    """If this fails, a log cannot find out from where to prove, or a witness goes back."""
    decision = witness.decide(request(5, 9), held(7), [VKEY])
    assert decision.status == 409
    answer = witness.answer(decision)
    assert (answer.body, answer.content_type) == (b"7\n", "text/x.tlog.size")
    assert witness.parse_size(answer.body) == 7
    assert status(request(0, 9), held(7)) == 409
    assert status(request(7, 9), CosignedHead()) == 409
    assert status(request(5, 5), held(7)) == 409


def test_proofs_that_prove_nothing() -> None:
    """If this fails, a witness cosigns a log that rewrote its past."""
    honest = TREE.proof(7, 12)
    assert status(request(7, 12), held(7)) == 200
    for wrong in ([], honest[:-1], honest[1:], [*honest, bytes(32)], [bytes(32), *honest[1:]]):
        assert status(request(7, 12, proof=wrong), held(7)) == 422
    assert status(request(9, 12, of=FORK), held(9)) == 422


def test_two_trees_of_one_size() -> None:
    """If this fails, a split view is cosigned, or its proof is thrown away."""
    decision = witness.decide(request(9, 9, of=FORK), held(9), [VKEY])
    assert decision.status == 422
    assert decision.evidence
    assert witness.decide(request(0, 9, of=FORK), held(9), [VKEY]).evidence


def test_the_empty_tree() -> None:
    """If this fails, a witness starts from a tree that cannot be, or lets junk pass as a proof."""
    assert status(request(0, 0), CosignedHead()) == 200
    assert status(request(0, 5, proof=[bytes(32)]), CosignedHead()) == 422
    wrong = checkpoint.sign(ORIGIN, 0, bytes(32), KEY)
    assert status(CosignRequest(old=0, proof=(), checkpoint=wrong), CosignedHead()) == 422
    assert status(request(9, 9, proof=[bytes(32)]), held(9)) == 422


@given(
    st.integers(0, 12),
    st.integers(0, 12),
    st.integers(0, 12),
    st.lists(st.binary(min_size=32, max_size=32), max_size=3),
)
def test_nothing_is_cosigned_but_growth(size: int, old: int, new: int, junk: list[bytes]) -> None:
    """If this fails, some request takes a witness back or sideways."""
    for asked in (request(old, new), request(old, new, of=FORK), request(old, new, proof=junk)):
        decision = witness.decide(asked, held(size), [VKEY])
        if decision.status == 200:
            assert decision.checkpoint is not None
            assert old == size <= new
            assert decision.checkpoint.root == TREE.root(new) or size == 0 or size <= 7


def test_the_specifications_request() -> None:
    """If this fails, other people's logs cannot ask us."""
    body = (
        "old 20852014\n"
        "PlRNCrwHpqhGrupue0L7gxbjbMiKA9temvuZZDDpkaw=\n"
        "jrJZDmY8Y7SyJE0MWLpLozkIVMSMZcD5kvuKxPC3swk=\n"
        "5+pKlUdi2LeF/BcMHBn+Ku6yhPGNCswZZD1X/6QgPd8=\n"
        "/6WVhPs2CwSsb5rYBH5cjHV/wSmA79abXAwhXw3Kj/0=\n"
        "\n"
        "example.com/behind-the-sofa\n"
        "20852163\n"
        "CsUYapGGPo4dkMgIAUqom/Xajj7h2fB2MPA3j2jxq2I=\n"
        "\n"
        "— example.com/behind-the-sofa Az3grlgtzPICa5OS8npVmf1Myq/5IZniMp+ZJurmRDeOoRDe4URYN7u5/Zhcyv2q1gGzGku9nTo+"
        "zyWE+xeMcTOAYQ8=\n"
        "— example.com/behind-the-sofa opLqBQsREYCgu6xQkYQwJr9fo45a62DN9EdmHXnZdXNqlcVGlCum2Wks+49/V6267UEjw6QUXTS5"
        "Rovnzv++qbSzm9Q=\n"
    ).encode()
    parsed = witness.parse_request(body)
    assert (parsed.old, len(parsed.proof), witness.origin_of(parsed)) == (20852014, 4, ORIGIN)
    assert parsed.encode() == body


LINE = "PlRNCrwHpqhGrupue0L7gxbjbMiKA9temvuZZDDpkaw=\n"


@pytest.mark.parametrize(
    "body",
    [
        "",
        "old 5\n",
        "old 05\n\nx",
        "old -1\n\nx",
        "old\n\nx",
        "new 5\n\nx",
        "old 5\nAAAA\n\nx",
        "old é\n\nx",
        "old 5 \n\nx",
        "old 5\n" + LINE * 64 + "\nx",
        f"{LINE}\nx",
        "old 5\n\n" + "x" * 1_000_001,
    ],
)
def test_what_is_no_request(body: str) -> None:
    """If this fails, a malformed request is guessed at, or crashes the witness."""
    with pytest.raises(VerificationError):
        witness.parse_request(body.encode())


@given(
    st.one_of(st.binary(max_size=80), st.text("old 0123\n=A", max_size=40).map(lambda text: ("old " + text).encode()))
)
def test_any_bytes(data: bytes) -> None:
    """If this fails, a foreign request crashes the witness, or has two spellings."""
    try:
        parsed = witness.parse_request(data)
    except VerificationError:
        return
    assert parsed.encode() == data


def test_the_answer_is_read_back() -> None:
    """If this fails, a log cannot use what its witness signed."""
    text = note.parse(signed(5)).text
    line = cosign.sign(text, "w1", seeded("w1"), 1_780_000_000)
    answer = witness.answer(witness.decide(request(0, 5), CosignedHead(), [VKEY]), [line])
    assert answer.status == 200
    assert witness.parse_cosignatures(text, answer.body).signatures == (line,)
    for wrong in (b"", b"5", b"55", b"05\n", b"\xff\n"):
        with pytest.raises(VerificationError):
            witness.parse_size(wrong)


def test_roots_are_those_of_the_definition() -> None:
    """If this fails, this test proves nothing: its trees are not trees."""
    assert TREE.root(40) == tree.root_of(tree.leaf_hashes(b"%d" % n for n in range(40)))
    assert FORK.root(7) == TREE.root(7)
    assert FORK.root(8) != TREE.root(8)


def test_the_longest_proof_is_read() -> None:
    """If this fails, a log of 2^63 entries cannot be cosigned any more."""
    assert len(witness.parse_request(("old 5\n" + LINE * 63 + "\nx").encode()).proof) == 63


@pytest.mark.parametrize(
    ("body", "named"), [("old x\n\nx", "^add-checkpoint old size"), ("old 5\nAAAA\n\nx", "^add-checkpoint proof")]
)
def test_a_refused_request_says_which_part_is_wrong(body: str, named: str) -> None:
    """If this fails, the operator of a log cannot tell what its witness does not understand."""
    with pytest.raises(VerificationError, match=named):
        witness.parse_request(body.encode())
    with pytest.raises(VerificationError, match=r"^add-checkpoint answer"):
        witness.parse_size(b"05\n")


def test_every_answer_says_why() -> None:
    """If this fails, a log is refused without a reason, or several cosignatures are sent as none."""
    text = note.parse(signed(5)).text
    lines = [cosign.sign(text, name, seeded(name), 1_780_000_000) for name in ("w1", "w2")]
    good = witness.answer(witness.decide(request(0, 5), CosignedHead(), [VKEY]), lines)
    assert (good.body, good.content_type) == ("".join(map(str, lines)).encode(), witness.TEXT)
    assert witness.parse_cosignatures(text, good.body).signatures == tuple(lines)
    stranger = CosignRequest(old=0, proof=(), checkpoint=signed(5, seeded("stranger")))
    for decision, reason in (
        (witness.decide(stranger, CosignedHead(), [VKEY]), b"you trust key"),
        (witness.decide(request(0, 5), CosignedHead(), []), ORIGIN.encode()),
        (witness.decide(request(7, 5), held(7), [VKEY]), b"old size 7 is above"),
        (witness.decide(request(5, 9, proof=[]), held(5), [VKEY]), b"proof"),
    ):
        refused = witness.answer(decision)
        assert reason in refused.body, refused.body
        assert refused.body.endswith(b"\n")
        assert refused.content_type == witness.TEXT
    other = witness.answer(witness.decide(request(4, 9), held(5), [VKEY]))
    assert (other.status, other.body, other.content_type) == (409, b"5\n", witness.SIZE)
    assert witness.parse_size(other.body) == 5


def test_a_strangers_proof_does_not_frame_the_log() -> None:
    """If this fails, anybody makes a witness keep an honest log as forked by sending a random proof (H1)."""
    for size in (7, 12):
        decision = witness.decide(request(7, size, proof=[bytes(32)]), held(7), [VKEY])
        assert (decision.status, decision.evidence) == (422, False)
    assert (
        witness.decide(request(7, 12, of=FORK, proof=FORK.proof(7, 12)), CosignedHead(7, FORK.root(7)), [VKEY]).status
        == 200
    )
    assert witness.decide(request(9, 12, of=FORK), held(9), [VKEY]).evidence


def test_what_is_kept_bears_the_logs_own_signature_alone() -> None:
    """If this fails, junk signature lines make each request a new row of evidence, and fill the witness's disk (H1)."""
    both = note.parse(signed(5, seeded("stranger"), KEY))
    assert witness.stripped(both, [VKEY]).encode() == signed(5)
