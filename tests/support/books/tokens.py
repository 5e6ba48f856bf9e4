"""The tokens that most tests use: a plain, a fragmented and a wide one."""

from tallystick import Token

PLAIN = Token("PLN", decimals=2)
FRAGMENTED = Token("USD", decimals=2, unit=100_00)
WIDE = Token("WEI", decimals=18, max_supply=2**256 - 1)
