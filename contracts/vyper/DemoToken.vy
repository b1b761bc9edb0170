# pragma version 0.4.3
# pragma evm-version cancun
"""
@title DemoToken: test money of 6 decimals for the embedded chain; anyone may mint
@license Apache-2.0
@dev Answers as USDC does: true, or a revert.
"""
event Transfer:
    sender: indexed(address)
    receiver: indexed(address)
    amount: uint256

decimals: public(constant(uint8)) = 6
symbol: public(constant(String[4])) = "DEMO"
totalSupply: public(uint256)
balanceOf: public(HashMap[address, uint256])

@external
def mint(to: address, amount: uint256):
    self.balanceOf[to] += amount
    self.totalSupply += amount
    log Transfer(sender=empty(address), receiver=to, amount=amount)

@external
def transfer(to: address, amount: uint256) -> bool:
    self.balanceOf[msg.sender] -= amount
    self.balanceOf[to] += amount
    log Transfer(sender=msg.sender, receiver=to, amount=amount)
    return True
