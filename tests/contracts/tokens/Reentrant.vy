# pragma version 0.4.3
# pragma evm-version cancun
"""
@title A token that calls back into its caller while it pays
@dev `arm` says what to call; `answered` tells whether the pool let it.
"""
decimals: public(constant(uint8)) = 6
balanceOf: public(HashMap[address, uint256])
call: Bytes[1024]
armed: public(bool)
answered: public(bool)

@external
def arm(call: Bytes[1024]):
    self.call = call
    self.armed = True
    self.answered = False

@external
def mint(to: address, amount: uint256):
    self.balanceOf[to] += amount

@external
def transfer(to: address, amount: uint256) -> bool:
    if self.armed:
        self.armed = False
        self.answered = raw_call(msg.sender, self.call, revert_on_failure=False)
    self.balanceOf[msg.sender] -= amount
    self.balanceOf[to] += amount
    return True
