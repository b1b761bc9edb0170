# pragma version 0.4.3
# pragma evm-version cancun
"""
@title A token that keeps a hundredth of every transfer
"""
decimals: public(constant(uint8)) = 6
balanceOf: public(HashMap[address, uint256])

@external
def mint(to: address, amount: uint256):
    self.balanceOf[to] += amount

@external
def transfer(to: address, amount: uint256) -> bool:
    self.balanceOf[msg.sender] -= amount
    self.balanceOf[to] += amount - amount // 100
    return True
