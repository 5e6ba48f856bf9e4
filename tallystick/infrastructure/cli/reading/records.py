"""What the commands that read print, as records; see `tallystick/infrastructure/cli/records.py`."""

from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, datetime, tzinfo
from typing import Any

import msgspec

from tallystick.domain.token.token_state import Balance
from tallystick.domain.values.token import Token
from tallystick.infrastructure.cli.printing.formats import DECIMALS, Record, for_programs
from tallystick.infrastructure.ledger.reading.entry import Entry
from tallystick.infrastructure.ledger.reading.explanation import Explanation
from tallystick.infrastructure.ledger.reading.statement import Statement
from tallystick.infrastructure.ledger.travel.difference import Difference
from tallystick.projections.holds import Hold
from tallystick.projections.lineages import FragmentOrigin
from tallystick.projections.lines import Line
from tallystick.projections.transactions import Transaction

TOKEN_COLUMNS = ("token", "role", "decimals", "max", "unit", "curve", "owner", "accepts")
ACCOUNT_COLUMNS = ("token", "account")
STATEMENT_COLUMNS = (
    *("position", "occurred_at", "recorded_at", "kind", "token", "account", "counterparty", "change", "reserved_change"),
    *("available", "reserved", "entry_id", "transaction_id", "hold", "reference", "memo"),
)
DIFFERENCE_COLUMNS = (
    *("token", "account", "available_before", "available_after", "change"),
    *("reserved_before", "reserved_after", "reserved_change"),
)
TRANSACTION_COLUMNS = ("transaction_id", "kind", "token", "sender", "receiver", "amount", "hold", "reference", "memo")
HOLD_COLUMNS = (
    *("hold", "token", "payer", "authority", "amount", "remaining", "expires_at", "reserved_at", "position", "memo"),
)
LEG_COLUMNS = ("kind", "receiver", "amount", "transaction_id", "recorded_at")
ORIGIN_COLUMNS = (
    *("fragment", "token", "owner", "amount", "kind", "entry_id", "transaction_id", "recorded_at", "parents", "certain"),
)


def token_record(token: Token) -> Record:
    """A token as it was registered; its curve as its name and the numbers that make it again."""
    curve = token.curve
    return {
        "token": token.code,
        "role": token.role,
        "decimals": token.decimals,
        "max": token.max_supply,
        "unit": token.unit,
        "curve": "" if curve is None else f"{curve.name}({', '.join(map(str, curve.parameters))})",
        "owner": token.owner or "",
        "accepts": list(token.accepts),
    }


def full_line_records(lines: Iterable[Line], decimals: int, zone: tzinfo = UTC) -> list[Record]:
    """Lines with everything that is told of them, times in a time zone."""
    return [
        {
            "position": line.position,
            "occurred_at": _time(line.occurred_at, zone),
            "recorded_at": _time(line.recorded_at, zone),
            "kind": line.kind,
            "token": line.token,
            "account": line.account,
            "counterparty": line.counterparty or "",
            "change": line.change,
            "reserved_change": line.reserved_change,
            "available": line.available,
            "reserved": line.reserved,
            "entry_id": line.entry_id,
            "transaction_id": line.transaction_id,
            "hold": line.hold or "",
            "reference": line.reference or "",
            "memo": line.memo,
            DECIMALS: decimals,
        }
        for line in lines
    ]


def statement_record(statement: Statement, lines: Sequence[Record], decimals: int) -> Record:
    """A statement as one document."""
    return {
        "token": statement.token,
        "account": statement.account,
        "by": statement.by,
        "since": None if statement.since is None else statement.since.isoformat(),
        "until": None if statement.until is None else statement.until.isoformat(),
        "opening": for_programs({**_balance(statement.opening), DECIMALS: decimals}),
        "lines": list(lines),
        "closing": for_programs({**_balance(statement.closing), DECIMALS: decimals}),
        DECIMALS: decimals,
    }


def statement_rows(statement: Statement, lines: Sequence[Record], decimals: int) -> list[Record]:
    """A statement as rows: what there was before the lines, the lines, and what there was after them."""
    ends = [
        {
            "kind": kind,
            "token": statement.token,
            "account": statement.account,
            "available": balance.available,
            "reserved": balance.reserved,
            DECIMALS: decimals,
        }
        for kind, balance in (("opening balance", statement.opening), ("closing balance", statement.closing))
    ]
    return [ends[0], *lines, ends[1]]


def explanation_record(explanation: Explanation, decimals: int) -> Record:
    """What is explained: the balance, and whether all that it came of is told."""
    return {
        "token": explanation.token,
        "account": explanation.account,
        **_balance(explanation.balance),
        "complete": explanation.complete,
        DECIMALS: decimals,
    }


def difference_records(differences: Iterable[Difference], decimals: Mapping[str, int]) -> list[Record]:
    """What accounts had before and after, and what was added."""
    return [
        {
            "token": each.token,
            "account": each.account,
            "available_before": each.before.available,
            "available_after": each.after.available,
            "change": each.available,
            "reserved_before": each.before.reserved,
            "reserved_after": each.after.reserved,
            "reserved_change": each.reserved,
            DECIMALS: decimals[each.token],
        }
        for each in differences
    ]


def entry_record(entry: Entry) -> Record:
    """An entry, without its movements."""
    return {
        "entry_id": entry.id,
        "position": entry.position,
        "last_position": entry.last_position,
        "recorded_at": entry.recorded_at.isoformat(),
        "occurred_at": entry.occurred_at.isoformat(),
        "key": entry.key,
        "reference": entry.reference,
        "metadata": entry.metadata,
        "reverses": list(entry.reverses),
        "reversed_by": list(entry.reversed_by),
    }


def readable(record: Record) -> Record:
    """The record for people: lists as words, a JSON object as its text, and nothing for what is not there."""
    return {name: _readable(value) for name, value in record.items()}


def transaction_records(transactions: Iterable[Transaction], decimals: Mapping[str, int]) -> list[Record]:
    """Movements of money; who gave of a mint and who got of a burn is nobody."""
    return [
        {
            "transaction_id": each.id,
            "kind": each.kind or "",
            "token": each.token,
            "sender": each.sender or "",
            "receiver": each.receiver or "",
            "amount": max(each.burned_amount, each.minted_amount),
            "hold": each.hold or "",
            "reference": each.reference or "",
            "memo": each.memo,
            DECIMALS: decimals[each.token],
        }
        for each in transactions
    ]


def entry_rows(entry: Record, transactions: Sequence[Record]) -> list[Record]:
    """An entry as rows, one for each of its movements, or one if there is none."""
    figures = readable(entry)
    nothing: Record = dict.fromkeys(TRANSACTION_COLUMNS)
    return [{**figures, **each, "reference": each["reference"] or entry["reference"]} for each in transactions or [nothing]]


def hold_record(hold: Hold, decimals: Mapping[str, int]) -> Record:
    """A hold, without its legs."""
    return {
        "hold": hold.id,
        "token": hold.token,
        "payer": hold.payer,
        "authority": hold.authority,
        "amount": hold.amount,
        "remaining": hold.remaining,
        "expires_at": None if hold.expires_at is None else hold.expires_at.isoformat(),
        "reserved_at": hold.reserved_at.isoformat(),
        "position": hold.position,
        "memo": hold.memo,
        DECIMALS: decimals[hold.token],
    }


def leg_records(hold: Hold, decimals: Mapping[str, int]) -> list[Record]:
    """What left a hold, and to whom."""
    return [
        {
            "kind": leg.kind,
            "receiver": leg.receiver,
            "amount": leg.amount,
            "transaction_id": leg.transaction_id,
            "recorded_at": leg.recorded_at.isoformat(),
            DECIMALS: decimals[hold.token],
        }
        for leg in hold.legs
    ]


def hold_rows(hold: Record, legs: Sequence[Record]) -> list[Record]:
    """A hold as rows, one for each of its legs, or one if nothing has left it."""
    nothing: Record = dict.fromkeys(LEG_COLUMNS)
    return [{**hold, **{f"leg_{name}": leg[name] for name in LEG_COLUMNS}} for leg in legs or [nothing]]


def origin_record(origin: FragmentOrigin, decimals: Mapping[str, int]) -> Record:
    """Where a fragment began, and the ids of those that it was made of."""
    return {
        "fragment": origin.id,
        "token": origin.token,
        "owner": origin.owner,
        "amount": origin.amount,
        "kind": origin.kind,
        "entry_id": origin.entry_id,
        "transaction_id": origin.transaction_id,
        "recorded_at": origin.recorded_at.isoformat(),
        "parents": list(origin.parents),
        "certain": origin.certain,
        DECIMALS: decimals[origin.token],
    }


def _balance(balance: Balance) -> Record:
    return {"available": balance.available, "reserved": balance.reserved, "total": balance.total}


def _time(time: datetime, zone: tzinfo) -> str:
    try:
        return time.astimezone(zone).isoformat()
    except OverflowError:  # the last day of all may have no such time there
        return time.isoformat()


def _readable(value: Any) -> Any:
    if isinstance(value, dict):
        return msgspec.json.encode(value).decode()
    return " ".join(map(str, value)) if isinstance(value, list) else value  # pyright: ignore
