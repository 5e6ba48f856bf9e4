"""A book of names, memos, references and codes that mean something to programs that read files."""

from pathlib import Path

from tallystick import Ledger, Token

TEXTS = (
    "",
    " ",
    "  two  spaces  ",
    "quote \" and ' and `",
    '"',
    '""',
    "\\",
    "\\n is no line",
    "\\x41",
    "line\nanother\r\nand\rone",
    "\n\n",
    "tab\tand\ttab",
    "nul\0nul",
    "\x1b[31mred\x07",
    "right to left \u202e\u05d0\u05d1",
    "zero\u200bwidth\ufeff",
    "separators\u2028\u2029\x85",
    "emoji \U0001f600 \U0001f468\u200d\U0001f469",
    "=1+1",
    "+1",
    "-1",
    "@SUM(A1)",
    "; a comment",
    "a ; b",
    "# hash",
    "* star",
    "! mark",
    "(code) text",
    "payee | note",
    "a:b, c:d",
    "date:2020-01-01",
    "2026-01-01 * x",
    "a  1 USD",
    "= 5 USD",
    "~ monthly",
    "include /etc/passwd",
    'plugin "os"',
    "comment",
    "end comment",
    "{{ }} {USD} <b>&amp;</b>",
    "<script>alert(1)</script>",
    "'); DROP TABLE movements; --",
    "NULL",
    "\\N",
    "nan",
    "a,b,,c",
    "#,;|\t",
    "\xa0nbsp\xa0",
    "e\u0301",
    "x" * 65_536,
    "\"'\\;\n" * 13_000,
)
ACCOUNTS = (
    "alice",
    "Alice",
    "ALICE",
    "assets:bank",
    "Assets:Bank",
    "a:b",
    "a::b",
    ":a",
    "a:",
    ":",
    "a:on-hold",
    "a:On-Hold",
    "a%3Ab",
    "a%",
    "a;b",
    "a=b",
    "a\\b",
    'a"b',
    "(a)",
    "[a]",
    "*",
    "!a",
    "*a",
    ";",
    "#a",
    "@a",
    "-1",
    "1-",
    "2026-01-01",
    "=1",
    "a,b",
    "a|b",
    "a~b",
    "a{b}",
    "x--alice",
    "X--alice",
    "X-alice",
    "-41lice",
    "equity:supply",
    "'",
    "a_b",
    "\u0434\u0435\u043d\u044c\u0433\u0438",
    "\u94b1",
    "\u05d0\u05d1",
    "\U0001f600",
    "\u00df",
    "\u01c5",
    "\u0661",
    "x" * 128,
    ":" * 128,
)
CODES = (
    *("USD", "usd", "Usd", "U", "U-1", "US_D", "A;B", 'A"B', "1", "-", "\u20ac", "USD-2", "%"),
    *("T" * 60, "T" * 59 + "t"),
)


def play_hostile(url: str | Path) -> Ledger:
    """A ledger with all of them; every account has something of the first token, and of some others."""
    ledger = Ledger.open(url)
    for number, code in enumerate(CODES):
        ledger.register_token(Token(code, decimals=number % 4))
        ledger.mint(code, "minter", 10**6)
    for number, text in enumerate(TEXTS):
        ledger.transfer(CODES[number % len(CODES)], "minter", "alice", number + 1, memo=text, reference=text[:200] or None)
    for number, account in enumerate(ACCOUNTS):
        ledger.transfer("USD", "minter", account, 1000 + number)
        ledger.transfer(CODES[number % len(CODES)], "minter", account, 5)
        ledger.reserve("USD", "minter", account, 1 + number)
        ledger.transfer("USD", account, "minter", 7)
    return ledger
