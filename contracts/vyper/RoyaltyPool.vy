# pragma version 0.4.3
# pragma evm-version cancun
# pragma nonreentrancy on
"""
@title RoyaltyPool: cumulative royalty claims for one token on one chain
@license Apache-2.0
@notice UNAUDITED. Do not put real money behind it before an external audit.
@dev A publisher posts Merkle roots of what every payee is owed since the beginning; anyone may claim a
     leaf, and only the leaf's account is paid. A posting serves once its dispute window has passed;
     until then the one before it serves, and the guardian may veto it.
     Leaf: keccak(keccak(abi_encode(chain id, this pool, payee id, account, cumulative))), in the tree of
     OpenZeppelin's StandardMerkleTree. Amounts are below 2**96, times below 2**32.
     head: total 96 | claimed 96 | active_at 32 | paused_until 32 (from the highest bit). All a claim needs.
     tail: previous total 96 | previous active_at 32 | sequence 32 | ledger size 64 (of 224 bits).
     Tokens that rebase, or that take more from the sender than the amount, are not supported.
"""

interface Token:
    def balanceOf(account: address) -> uint256: view
struct Claim:
    payee_id: bytes32
    account: address
    cumulative: uint256
    proof: DynArray[bytes32, 24]
struct Status:
    sequence: uint256  # of the last posting; a vetoed posting keeps its number
    pending: bool  # whether the last posting still waits for its window to pass
    active_at: uint256  # of the last posting that was not vetoed
    total: uint256  # owed since the beginning by that posting; a liability even while it is pending
    claimed: uint256  # paid and written off since the beginning
    serving_root: bytes32
    serving_total: uint256
    ledger_size: uint256
    paused_until: uint256
flag Role:
    OWNER  # names roles, sweeps, writes off; may do what the guardian does
    PUBLISHER  # posts and anchors
    GUARDIAN  # vetoes and pauses

event Posted:
    sequence: indexed(uint256)
    period: indexed(bytes32)
    payout_root: bytes32
    ledger_root: bytes32
    ledger_size: uint256
    total: uint256
    active_at: uint256
event Anchored:
    ledger_size: indexed(uint256)
    ledger_root: bytes32
event Vetoed:
    sequence: indexed(uint256)
    by: address
event Paid:
    payee_id: indexed(bytes32)
    account: indexed(address)
    amount: uint256
    cumulative: uint256
event Unpaid:
    payee_id: indexed(bytes32)
    account: indexed(address)
    reason: uint256
event WriteOffNotice:
    payee_id: indexed(bytes32)
    cumulative: uint256
    due_at: uint256
event WrittenOff:
    payee_id: indexed(bytes32)
    amount: uint256
    cumulative: uint256
event Swept:
    to: indexed(address)
    amount: uint256
    dormant: bool
event PauseSet:
    until: uint256
event RoleOffered:
    role: indexed(Role)
    account: address
    due_at: uint256
event RoleSet:
    role: indexed(Role)
    account: address

MAX_PAUSE: public(constant(uint256)) = 7 * 86400
TRANSFER_GAS: constant(uint256) = 300_000  # a transfer may not burn the gas of a whole batch
LIMIT: constant(uint256) = 2**96
PAID: constant(uint256) = 0  # and why not, as Unpaid says it:
BAD_PROOF: constant(uint256) = 1
NOTHING_OWED: constant(uint256) = 2
OVER_TOTAL: constant(uint256) = 3
REFUSED_BY_TOKEN: constant(uint256) = 4

TOKEN: public(immutable(address))
WINDOW: public(immutable(uint256))  # seconds before a posting serves, and before a role change can be made
NOTICE: public(immutable(uint256))  # seconds between the notice of a write-off and the write-off
DORMANCY: public(immutable(uint256))  # seconds after the last activation before everything may be swept

head: uint256
tail: uint256
root: bytes32
previous_root: bytes32
ledger_root: public(bytes32)
claimed: public(HashMap[bytes32, uint256])  # by payee id: paid and written off since the beginning
posted: public(HashMap[uint256, bytes32])  # by sequence: keccak of what was posted, vetoed or not
write_off_notice: public(HashMap[bytes32, uint256])  # by payee id: cumulative << 32 | due_at
holder_of: public(HashMap[Role, address])
offered: public(HashMap[Role, uint256])  # account << 32 | due_at

@deploy
def __init__(
    token: address, owner: address, publisher: address, guardian: address, window: uint256, notice: uint256, dormancy: uint256
):
    """
    @notice The windows never change; the roles do, after a window.
    @param window At most 30 days; 0 means postings serve at once and cannot be vetoed.
    @param notice At least 30 days.
    @param dormancy At least 180 days.
    """
    assert token.is_contract, "token: no code"
    assert empty(address) not in [owner, publisher, guardian], "role: zero address"
    assert window <= 30 * 86400 and notice >= 30 * 86400 and dormancy >= 180 * 86400, "window out of bounds"
    TOKEN = token
    WINDOW = window
    NOTICE = notice
    DORMANCY = dormancy
    self._set_role(Role.OWNER, owner)
    self._set_role(Role.PUBLISHER, publisher)
    self._set_role(Role.GUARDIAN, guardian)

@view
@internal
def _serving(head: uint256) -> (bytes32, uint256):
    """The root that claims are proven under, and the most that may ever be claimed under it."""
    if block.timestamp < (head >> 32) % 2**32:
        return self.previous_root, (self.tail >> 128) % LIMIT
    return self.root, head >> 160

@view
@external
def status() -> Status:
    """@notice Everything a client needs in one call; answers while paused too."""
    head: uint256 = self.head
    tail: uint256 = self.tail
    active_at: uint256 = (head >> 32) % 2**32
    root: bytes32 = empty(bytes32)
    total: uint256 = 0
    root, total = self._serving(head)
    return Status(
        sequence=(tail >> 64) % 2**32, pending=block.timestamp < active_at, active_at=active_at,
        total=head >> 160, claimed=(head >> 64) % LIMIT, serving_root=root, serving_total=total,
        ledger_size=tail % 2**64, paused_until=head % 2**32,
    )

@view
@internal
def _proven(root: bytes32, payee_id: bytes32, account: address, cumulative: uint256, proof: DynArray[bytes32, 24]) -> bool:
    node: bytes32 = keccak256(keccak256(abi_encode(chain.id, self, payee_id, account, cumulative)))
    for other: bytes32 in proof:
        if convert(node, uint256) < convert(other, uint256):
            node = keccak256(abi_encode(node, other))
        else:
            node = keccak256(abi_encode(other, node))
    return node == root

@internal
def _anchor(size: uint256, root: bytes32, known: uint256):
    """The ledger only grows: a size once anchored is never anchored with another root, nor a smaller one."""
    assert root != empty(bytes32) and size < 2**64, "anchor: empty root or size out of range"
    assert size > known or (size == known and root == self.ledger_root), "anchor: the ledger went back"
    self.ledger_root = root

@external
def post(
    sequence: uint256, period: bytes32, payout_root: bytes32, ledger_root: bytes32, ledger_size: uint256, total: uint256
):
    """
    @notice Put a new root in place, to serve once its window has passed. Publisher only.
    @param sequence One more than the last, vetoed or not.
    @param period What the posting settles, as data: the root of the closed period.
    @param total What all payees are owed since the beginning; never less than before, and funded.
    """
    assert msg.sender == self.holder_of[Role.PUBLISHER], "post: publisher only"
    head: uint256 = self.head
    tail: uint256 = self.tail
    assert block.timestamp >= (head >> 32) % 2**32, "post: one is pending"
    assert sequence == (tail >> 64) % 2**32 + 1, "post: not the next sequence"
    assert payout_root != empty(bytes32), "post: empty root"
    assert total >= head >> 160 and total < LIMIT, "post: the total fell, or is out of range"
    paid: uint256 = (head >> 64) % LIMIT
    assert staticcall Token(TOKEN).balanceOf(self) >= total - paid, "post: not funded"
    self._anchor(ledger_size, ledger_root, tail % 2**64)
    active_at: uint256 = block.timestamp + WINDOW
    self.previous_root = self.root
    self.root = payout_root
    self.tail = (head >> 160) << 128 | ((head >> 32) % 2**32) << 96 | sequence << 64 | ledger_size
    self.head = total << 160 | paid << 64 | active_at << 32 | head % 2**32
    self.posted[sequence] = keccak256(abi_encode(period, payout_root, ledger_root, ledger_size, total))
    log Posted(
        sequence=sequence, period=period, payout_root=payout_root, ledger_root=ledger_root,
        ledger_size=ledger_size, total=total, active_at=active_at,
    )

@external
def anchor(ledger_root: bytes32, ledger_size: uint256):
    """@notice Anchor the ledger's tree between postings. Publisher only."""
    assert msg.sender == self.holder_of[Role.PUBLISHER], "anchor: publisher only"
    tail: uint256 = self.tail
    self._anchor(ledger_size, ledger_root, tail % 2**64)
    self.tail = (tail >> 64) << 64 | ledger_size
    log Anchored(ledger_size=ledger_size, ledger_root=ledger_root)

@external
def veto():
    """@notice Strike the pending posting; the one before it goes on serving. Guardian or owner, before activation only."""
    assert msg.sender in [self.holder_of[Role.GUARDIAN], self.holder_of[Role.OWNER]], "veto: guardian or owner only"
    head: uint256 = self.head
    tail: uint256 = self.tail
    assert block.timestamp < (head >> 32) % 2**32, "veto: nothing is pending"
    self.root = self.previous_root
    self.head = ((tail >> 128) << 160) | ((head >> 64) % LIMIT) << 64 | ((tail >> 96) % 2**32) << 32 | head % 2**32
    log Vetoed(sequence=(tail >> 64) % 2**32, by=msg.sender)

@internal
def _transfer(to: address, amount: uint256) -> bool:
    """Tokens that return nothing pass; one that returns anything but 32 bytes of `true` has refused."""
    ok: bool = False
    answer: Bytes[33] = b""
    data: Bytes[68] = abi_encode(to, amount, method_id=method_id("transfer(address,uint256)"))
    # One byte more than allowed is read, so that a longer answer is seen.
    ok, answer = raw_call(TOKEN, data, max_outsize=33, gas=TRANSFER_GAS, revert_on_failure=False)
    return ok and (len(answer) == 0 or (len(answer) == 32 and convert(slice(answer, 0, 32), uint256) == 1))

@internal
def _claim(payee_id: bytes32, account: address, cumulative: uint256, proof: DynArray[bytes32, 24]) -> uint256:
    head: uint256 = self.head
    root: bytes32 = empty(bytes32)
    total: uint256 = 0
    root, total = self._serving(head)
    if not self._proven(root, payee_id, account, cumulative, proof):
        return BAD_PROOF
    before: uint256 = self.claimed[payee_id]
    if cumulative <= before:
        return NOTHING_OWED
    amount: uint256 = cumulative - before
    if amount > total - (head >> 64) % LIMIT:
        return OVER_TOTAL
    self.claimed[payee_id] = cumulative
    self.head = head + (amount << 64)
    if not self._transfer(account, amount):
        self.claimed[payee_id] = before
        self.head = head
        return REFUSED_BY_TOKEN
    log Paid(payee_id=payee_id, account=account, amount=amount, cumulative=cumulative)
    return PAID

@external
def claim(payee_id: bytes32, account: address, cumulative: uint256, proof: DynArray[bytes32, 24]):
    """@notice Pay one leaf what it is still owed. Anyone may call; only the leaf's account is paid."""
    assert block.timestamp >= self.head % 2**32, "claim: paused"
    reason: uint256 = self._claim(payee_id, account, cumulative, proof)
    assert reason != BAD_PROOF, "claim: not a leaf of the serving root"
    assert reason != NOTHING_OWED, "claim: nothing owed"
    assert reason != OVER_TOTAL, "claim: over the posted total"
    assert reason != REFUSED_BY_TOKEN, "claim: the token refused the transfer"

@external
def claim_many(claims: DynArray[Claim, 50]):
    """@notice As claim, for up to 50 leaves; one that cannot be paid is skipped and logged with its reason."""
    assert block.timestamp >= self.head % 2**32, "claim: paused"
    for item: Claim in claims:
        reason: uint256 = self._claim(item.payee_id, item.account, item.cumulative, item.proof)
        if reason != PAID:
            log Unpaid(payee_id=item.payee_id, account=item.account, reason=reason)

@external
def sweep(to: address, everything: bool):
    """
    @notice Move out what is not owed; or, after dormancy, everything. Owner only.
    @dev A pending posting's total counts as owed.
    """
    assert msg.sender == self.holder_of[Role.OWNER], "sweep: owner only"
    head: uint256 = self.head
    amount: uint256 = staticcall Token(TOKEN).balanceOf(self)
    if everything:
        assert block.timestamp >= (head >> 32) % 2**32 + DORMANCY, "sweep: not dormant"
    else:
        amount -= (head >> 160) - (head >> 64) % LIMIT
    assert amount > 0, "sweep: nothing to sweep"
    assert self._transfer(to, amount), "sweep: the token refused the transfer"
    log Swept(to=to, amount=amount, dormant=everything)

@external
def notice_write_off(payee_id: bytes32, account: address, cumulative: uint256, proof: DynArray[bytes32, 24]):
    """@notice Announce that what one leaf is owed will lapse; it can be claimed until then. Owner only."""
    assert msg.sender == self.holder_of[Role.OWNER], "write-off: owner only"
    assert self._proven(self._serving(self.head)[0], payee_id, account, cumulative, proof), "write-off: not a leaf"
    assert cumulative > self.claimed[payee_id] and cumulative < LIMIT, "write-off: nothing owed"
    due_at: uint256 = block.timestamp + NOTICE
    self.write_off_notice[payee_id] = cumulative << 32 | due_at
    log WriteOffNotice(payee_id=payee_id, cumulative=cumulative, due_at=due_at)

@external
def write_off(payee_id: bytes32):
    """@notice Let what was announced lapse, as if claimed but without a payment: it becomes surplus. Owner only."""
    assert msg.sender == self.holder_of[Role.OWNER], "write-off: owner only"
    head: uint256 = self.head
    notice: uint256 = self.write_off_notice[payee_id]
    cumulative: uint256 = notice >> 32
    assert notice != 0 and block.timestamp >= notice % 2**32, "write-off: no notice, or not due"
    assert block.timestamp >= head % 2**32, "write-off: paused"
    amount: uint256 = cumulative - self.claimed[payee_id]  # reverts where more was claimed meanwhile
    assert amount > 0 and amount <= self._serving(head)[1] - (head >> 64) % LIMIT, "write-off: nothing owed"
    self.write_off_notice[payee_id] = 0
    self.claimed[payee_id] = cumulative
    self.head = head + (amount << 64)
    log WrittenOff(payee_id=payee_id, amount=amount, cumulative=cumulative)

@external
def pause(on: bool):
    """@notice Stop claims for MAX_PAUSE, not again until they were open for as long; or end it early, as the owner."""
    owner: bool = msg.sender == self.holder_of[Role.OWNER]
    assert owner or (on and msg.sender == self.holder_of[Role.GUARDIAN]), "pause: guardian or owner only"
    head: uint256 = self.head
    until: uint256 = head % 2**32
    assert block.timestamp < until or on, "pause: not paused"
    assert block.timestamp >= until + MAX_PAUSE or not on, "pause: too soon after the last one"
    until = block.timestamp + (MAX_PAUSE if on else 0)
    self.head = (head >> 32) << 32 | until
    log PauseSet(until=until)

@external
def offer_role(role: Role, account: address):
    """@notice Offer a role; it can be taken after a window. Owner only."""
    assert msg.sender == self.holder_of[Role.OWNER], "role: owner only"
    due_at: uint256 = block.timestamp + WINDOW
    self.offered[role] = convert(account, uint256) << 32 | due_at
    log RoleOffered(role=role, account=account, due_at=due_at)

@external
def take_role(role: Role):
    """@notice Take an offered role, replacing its holder; a mistyped account never can."""
    offer: uint256 = self.offered[role]
    assert convert(msg.sender, uint256) == offer >> 32, "role: not offered to you"
    assert block.timestamp >= offer % 2**32, "role: not yet"
    self.offered[role] = 0
    self._set_role(role, msg.sender)

@internal
def _set_role(role: Role, account: address):
    self.holder_of[role] = account
    log RoleSet(role=role, account=account)
