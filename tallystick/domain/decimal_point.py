"""How people write an amount: with the decimal point of its token, and no digit lost."""


def written(amount: int, decimals: int) -> str:
    """The amount with so many digits after the point: `written(1999, 2) == "19.99"`."""
    digits = str(abs(amount)).rjust(decimals + 1, "0")
    sign = "-" if amount < 0 else ""
    return f"{sign}{digits[:-decimals]}.{digits[-decimals:]}" if decimals else sign + digits
