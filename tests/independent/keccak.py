"""Keccak-256 as Ethereum uses it (the padding before FIPS 202), with nothing but integers."""

from __future__ import annotations

RATE = 136
WORD = (1 << 64) - 1
TURNS = ((0, 36, 3, 41, 18), (1, 44, 10, 45, 2), (62, 6, 43, 15, 61), (28, 55, 25, 21, 56), (27, 20, 39, 8, 14))


def _turned(word: int, by: int) -> int:
    return (word << by | word >> (64 - by)) & WORD if by else word


def _constants() -> list[int]:
    """The 24 round constants, from the shift register that defines them."""
    register, constants = 1, []
    for _ in range(24):
        constant = 0
        for power in range(7):
            if register & 1:
                constant |= 1 << ((1 << power) - 1)
            register = (register << 1) ^ (0x171 if register & 0x80 else 0)
        constants.append(constant)
    return constants


def _permuted(a: list[list[int]]) -> list[list[int]]:
    for constant in _constants():
        c = [a[x][0] ^ a[x][1] ^ a[x][2] ^ a[x][3] ^ a[x][4] for x in range(5)]
        d = [c[(x - 1) % 5] ^ _turned(c[(x + 1) % 5], 1) for x in range(5)]
        a = [[a[x][y] ^ d[x] for y in range(5)] for x in range(5)]
        b = [[0] * 5 for _ in range(5)]
        for x in range(5):
            for y in range(5):
                b[y][(2 * x + 3 * y) % 5] = _turned(a[x][y], TURNS[x][y])
        a = [[b[x][y] ^ (~b[(x + 1) % 5][y] & WORD & b[(x + 2) % 5][y]) for y in range(5)] for x in range(5)]
        a[0][0] ^= constant
    return a


def keccak256(data: bytes) -> bytes:
    filled = bytearray(data + b"\x01" + bytes(-(len(data) + 1) % RATE))
    filled[-1] |= 0x80
    state = [[0] * 5 for _ in range(5)]
    for start in range(0, len(filled), RATE):
        for n in range(RATE // 8):
            word = int.from_bytes(filled[start + 8 * n : start + 8 * n + 8], "little")
            state[n % 5][n // 5] ^= word
        state = _permuted(state)
    return b"".join(state[n % 5][n // 5].to_bytes(8, "little") for n in range(4))
