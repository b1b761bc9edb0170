"""Pools with a fault: a sentence, and the change to the source that makes it true."""

# ruff: noqa: E501  a fault is shown as it stands in the source, on its line

from __future__ import annotations

MUTANTS = {
    "a claim is not remembered": (
        "    self.claimed[payee_id] = cumulative\n    self.head = head + (amount << 64)\n    if not",
        "    self.head = head + (amount << 64)\n    if not",
    ),
    "a claim is not counted": ("    self.head = head + (amount << 64)\n    if not", "    if not"),
    "a refused transfer stays claimed": ("        self.claimed[payee_id] = before\n", ""),
    "a refused transfer stays counted": (
        "        self.claimed[payee_id] = before\n        self.head = head\n",
        "        self.claimed[payee_id] = before\n",
    ),
    "false passes for a transfer": (" and convert(slice(answer, 0, 32), uint256) == 1", ""),
    "odd answers pass for a transfer": (
        "(len(answer) == 0 or (len(answer) == 32 and",
        "(len(answer) != 32 or (len(answer) == 32 and",
    ),
    "the pending root serves": ("        return self.previous_root, (self.tail >> 128) % LIMIT\n", "        pass\n"),
    "the pending total serves": ("self.previous_root, (self.tail >> 128) % LIMIT", "self.previous_root, head >> 160"),
    "the caller is paid": ("self._transfer(account, amount)", "self._transfer(msg.sender, amount)"),
    "the account is not in the leaf": ("payee_id, account, cumulative)))", "payee_id, self, cumulative)))"),
    "the amount is not in the leaf": ("payee_id, account, cumulative)))", "payee_id, account, empty(uint256))))"),
    "a root may pay more than its total": (
        "    if amount > total - (head >> 64) % LIMIT:\n        return OVER_TOTAL\n",
        "",
    ),
    "anybody posts": ('    assert msg.sender == self.holder_of[Role.PUBLISHER], "post: publisher only"\n', ""),
    "a posting needs no money": (
        '    assert staticcall Token(TOKEN).balanceOf(self) >= total - paid, "post: not funded"\n',
        "",
    ),
    "a posting replaces a pending one": (
        '    assert block.timestamp >= (head >> 32) % 2**32, "post: one is pending"\n',
        "",
    ),
    "a sequence may be used again": ("sequence == (tail >> 64) % 2**32 + 1", "sequence <= (tail >> 64) % 2**32 + 1"),
    "a sequence may be skipped": ("sequence == (tail >> 64) % 2**32 + 1", "sequence > (tail >> 64) % 2**32"),
    "the total may fall": ("total >= head >> 160 and total < LIMIT", "total < LIMIT"),
    "the ledger may go back": (
        '    assert size > known or (size == known and root == self.ledger_root), "anchor: the ledger went back"\n',
        "",
    ),
    "a veto after activation": ('    assert block.timestamp < (head >> 32) % 2**32, "veto: nothing is pending"\n', ""),
    "anybody vetoes": (
        '    assert msg.sender in [self.holder_of[Role.GUARDIAN], self.holder_of[Role.OWNER]], "veto: guardian or owner only"\n',
        "",
    ),
    "a veto keeps the total": ("self.head = ((tail >> 128) << 160) |", "self.head = ((head >> 160) << 160) |"),
    "a sweep takes liabilities": ("        amount -= (head >> 160) - (head >> 64) % LIMIT\n", "        amount -= 0\n"),
    "a sweep forgets the pending total": (
        "        amount -= (head >> 160) - (head >> 64) % LIMIT\n",
        "        amount -= self._serving(head)[1] - (head >> 64) % LIMIT\n",
    ),
    "everything may be swept early": ("% 2**32 + DORMANCY,", "% 2**32 + NOTICE,"),
    "batches run while paused": (
        'def claim_many(claims: DynArray[Claim, 50]):\n    """@notice As claim, for up to 50 leaves; one that cannot be paid is skipped and logged with its reason."""\n    assert block.timestamp >= self.head % 2**32, "claim: paused"\n',
        'def claim_many(claims: DynArray[Claim, 50]):\n    """@notice As claim."""\n',
    ),
    "a pause can be renewed at once": (
        '    assert block.timestamp >= until + MAX_PAUSE or not on, "pause: too soon after the last one"\n',
        "",
    ),
    "a write-off without waiting": (" and block.timestamp >= notice % 2**32,", ","),
    "a write-off is not counted": (
        "    self.claimed[payee_id] = cumulative\n    self.head = head + (amount << 64)\n    log",
        "    self.claimed[payee_id] = cumulative\n    log",
    ),
    "a write-off can be repeated": (
        "    self.write_off_notice[payee_id] = 0\n    self.claimed[payee_id] = cumulative\n    self.head = head + (amount << 64)\n    log",
        "    self.head = head + (amount << 64)\n    log",
    ),
    "a role changes at once": ('    assert block.timestamp >= offer % 2**32, "role: not yet"\n', ""),
    "anybody takes a role": (
        '    assert convert(msg.sender, uint256) == offer >> 32, "role: not offered to you"\n',
        "",
    ),
}
