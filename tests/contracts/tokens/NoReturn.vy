# pragma version 0.4.3
# pragma evm-version cancun
"""
@title A token whose transfer returns nothing, as old ones do
"""
decimals: public(constant(uint8)) = 6
balanceOf: public(HashMap[address, uint256])

@external
def mint(to: address, amount: uint256):
    self.balanceOf[to] += amount

@external
def transfer(to: address, amount: uint256):
    self.balanceOf[msg.sender] -= amount
    self.balanceOf[to] += amount
