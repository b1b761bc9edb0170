# pragma version 0.4.3
# pragma evm-version cancun
"""
@title A token that can be told, account by account, how to answer a transfer
@dev Moods of the receiver: 0 pays and answers true; 1 reverts; 2 answers false; 3 answers nothing after
     paying; 4 answers 31 bytes; 5 answers 64 bytes; 6 answers 32 bytes that are 2. Only 0 and 3 pay.
"""
event Transfer:
    sender: indexed(address)
    receiver: indexed(address)
    amount: uint256

decimals: public(constant(uint8)) = 6
balanceOf: public(HashMap[address, uint256])
mood: public(HashMap[address, uint256])

@external
def set_mood(account: address, mood: uint256):
    self.mood[account] = mood

@external
def mint(to: address, amount: uint256):
    self.balanceOf[to] += amount
    log Transfer(sender=empty(address), receiver=to, amount=amount)

@external
@raw_return
def transfer(to: address, amount: uint256) -> Bytes[64]:
    mood: uint256 = self.mood[to]
    assert mood != 1, "blocked"
    if mood == 2:
        return abi_encode(empty(bytes32))
    if mood == 4:
        return slice(abi_encode(convert(1, bytes32)), 1, 31)
    if mood == 5:
        return abi_encode(convert(1, bytes32), convert(1, bytes32))
    if mood == 6:
        return abi_encode(convert(2, bytes32))
    self.balanceOf[msg.sender] -= amount
    self.balanceOf[to] += amount
    log Transfer(sender=msg.sender, receiver=to, amount=amount)
    if mood == 3:
        return b""
    return abi_encode(convert(1, bytes32))
