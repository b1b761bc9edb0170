# pragma version 0.4.3
# pragma evm-version cancun
"""
@title A token that burns all the gas it is given when it pays one account
"""
decimals: public(constant(uint8)) = 6
balanceOf: public(HashMap[address, uint256])
victim: public(address)

@external
def burn_for(account: address):
    self.victim = account

@external
def mint(to: address, amount: uint256):
    self.balanceOf[to] += amount

@external
def transfer(to: address, amount: uint256) -> bool:
    if to == self.victim:
        for i: uint256 in range(10_000_000):
            self.balanceOf[empty(address)] = i
    self.balanceOf[msg.sender] -= amount
    self.balanceOf[to] += amount
    return True
