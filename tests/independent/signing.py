"""Ed25519 (RFC 8032) with nothing but integers: slow, and nobody else's code."""

from __future__ import annotations

import hashlib

P = 2**255 - 19
ORDER = 2**252 + 27742317777372353535851937790883648493
D = -121665 * pow(121666, P - 2, P) % P
Point = tuple[int, int, int, int]


def _recovered(y: int, sign: int) -> int:
    square = (y * y - 1) * pow(D * y * y + 1, P - 2, P) % P
    x = pow(square, (P + 3) // 8, P)
    if (x * x - square) % P:
        x = x * pow(2, (P - 1) // 4, P) % P
    if (x * x - square) % P:
        raise ValueError("not a point of the curve")
    return P - x if x & 1 != sign else x


_Y = 4 * pow(5, P - 2, P) % P
_X = _recovered(_Y, 0)
BASE: Point = (_X, _Y, 1, _X * _Y % P)


def _added(a: Point, b: Point) -> Point:
    m, n = (a[1] - a[0]) * (b[1] - b[0]) % P, (a[1] + a[0]) * (b[1] + b[0]) % P
    c, d = 2 * a[3] * b[3] * D % P, 2 * a[2] * b[2] % P
    e, f, g, h = n - m, d - c, d + c, n + m
    return e * f % P, g * h % P, f * g % P, e * h % P


def _times(scalar: int, point: Point) -> Point:
    total: Point = (0, 1, 1, 0)
    while scalar:
        if scalar & 1:
            total = _added(total, point)
        point, scalar = _added(point, point), scalar >> 1
    return total


def _bytes(point: Point) -> bytes:
    inverse = pow(point[2], P - 2, P)
    x, y = point[0] * inverse % P, point[1] * inverse % P
    return (y | (x & 1) << 255).to_bytes(32, "little")


def _point(data: bytes) -> Point:
    value = int.from_bytes(data, "little")
    y = value & ((1 << 255) - 1)
    x = _recovered(y, value >> 255)
    return x, y, 1, x * y % P


def _number(*parts: bytes) -> int:
    return int.from_bytes(hashlib.sha512(b"".join(parts)).digest(), "little") % ORDER


class Key:
    """A private key from a seed of 32 bytes."""

    def __init__(self, seed: bytes) -> None:
        digest = hashlib.sha512(seed).digest()
        self._scalar = int.from_bytes(digest[:32], "little") & ((1 << 254) - 8) | (1 << 254)
        self._prefix = digest[32:]
        self.public = _bytes(_times(self._scalar, BASE))

    def sign(self, message: bytes) -> bytes:
        r = _number(self._prefix, message)
        point = _bytes(_times(r, BASE))
        s = (r + _number(point, self.public, message) * self._scalar) % ORDER
        return point + s.to_bytes(32, "little")


def holds(public: bytes, message: bytes, signature: bytes) -> bool:
    """Whether this key signed this message."""
    if len(signature) != 64 or (s := int.from_bytes(signature[32:], "little")) >= ORDER:
        return False
    challenge = _number(signature[:32], public, message)
    right = _added(_point(signature[:32]), _times(challenge, _point(public)))
    return _bytes(_times(s, BASE)) == _bytes(right)
