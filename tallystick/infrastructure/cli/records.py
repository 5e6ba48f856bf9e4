"""What the command line prints, as records: plain dictionaries, amounts in exact integers with their token's `decimals`."""

from collections.abc import Iterable, Mapping, Sequence

import msgspec

from tallystick.domain.value_object.value_object import ValueObject
from tallystick.domain.values.token import Token
from tallystick.infrastructure.cli.printing.formats import Record
from tallystick.infrastructure.ledger.reading.contract_view import ContractView
from tallystick.infrastructure.ledger.reading.ledger_reads import LedgerReads
from tallystick.infrastructure.proof.audit import AuditReport
from tallystick.projections.lines import Line
from tallystick.projections.shadow_spaces import ShadowSpace, ShadowSpaces

BALANCE_COLUMNS = ("token", "account", "available", "reserved", "total")
SUPPLY_COLUMNS = ("token", "max", "reserve", "circulating")
CONTRACT_COLUMNS = ("contract", "backed_by", "balance", "allocs_sum", "num_allocs")
LINE_COLUMNS = (
    *("position", "recorded_at", "kind", "token", "account", "counterparty", "change", "reserved_change", "available"),
    *("reserved", "hold", "memo"),
)
RELEASE_COLUMNS = ("hold", "token", "payer", "amount", "transaction")


def balance_records(ledger: LedgerReads, tokens: Sequence[Token], prefix: str = "", limit: int | None = None) -> list[Record]:
    """The balances of every account that has something, or of those whose name begins so; up to `limit` of each token."""
    return [
        {
            "token": token.code,
            "account": account,
            "available": balance.available,
            "reserved": balance.reserved,
            "total": balance.total,
            "decimals": token.decimals,
        }
        for token in tokens
        for account, balance in sorted(ledger.balances(token.code, prefix, limit).items())
    ]


def supply_records(ledger: LedgerReads, tokens: Sequence[Token]) -> list[Record]:
    """The supply of each token."""
    return [
        {"token": token.code, **msgspec.structs.asdict(ledger.supply(token.code)), "decimals": token.decimals}
        for token in tokens
    ]


def decimals_of(tokens: Iterable[Token]) -> dict[str, int]:
    """The decimals of each token."""
    return {token.code: token.decimals for token in tokens}


def contract_record(id: str, contract: ContractView | ShadowSpace, decimals: Mapping[str, int]) -> Record:
    """A contract's figures, in the token that backs it, or in satoshis without decimals."""
    return {
        "contract": id,
        "backed_by": contract.backed_by or "",
        "balance": contract.balance,
        "allocs_sum": contract.allocs_sum,
        "num_allocs": contract.num_allocs,
        "decimals": decimals.get(contract.backed_by or "", 0),
    }


def contract_records(ledger: LedgerReads) -> list[Record]:
    """Every contract's figures, from one replay: many contracts are sooner replayed than loaded one by one."""
    decimals = decimals_of(ledger.tokens())
    return [contract_record(id, space, decimals) for id, space in ledger.replay(ShadowSpaces()).spaces.items()]


def allocation_records(contract: ContractView, decimals: Mapping[str, int]) -> list[Record]:
    """The allocations of a contract, in whole satoshis and exact in sati-satoshis."""
    places = decimals.get(contract.backed_by or "", 0)
    return [
        {
            "contract": contract.id,
            "account": account,
            "sats": allocation.sats,
            "sati": allocation.sati,
            "decimals": places,
        }
        for account, allocation in sorted(contract.allocations().items())
    ]


def fragment_records(fragments: Iterable[ValueObject], decimals: Mapping[str, int]) -> list[Record]:
    """Fragments with their state."""
    return [
        {
            "token": fragment.token,
            "owner": fragment.owner,
            "id": fragment.id,
            "amount": fragment.amount,
            "state": fragment.state.value,
            "hold": fragment.hold or "",
            "decimals": decimals[fragment.token],
        }
        for fragment in fragments
    ]


def line_records(lines: Iterable[Line], decimals: Mapping[str, int]) -> list[Record]:
    """The lines of an account."""
    return [
        {
            "position": line.position,
            "recorded_at": line.recorded_at.isoformat(),
            "kind": line.kind,
            "token": line.token,
            "account": line.account,
            "counterparty": line.counterparty or "",
            "change": line.change,
            "reserved_change": line.reserved_change,
            "available": line.available,
            "reserved": line.reserved,
            "hold": line.hold or "",
            "memo": line.memo,
            "decimals": decimals[line.token],
        }
        for line in lines
    ]


def audit_record(report: AuditReport) -> Record:
    """A report, its findings as lines."""
    return {
        "ok": report.ok,
        "position": report.position,
        "digest": report.digest,
        "findings": [{"position": finding.position, "reason": finding.reason} for finding in report.findings],
    }


def audit_rows(report: AuditReport) -> list[Record]:
    """A report as rows, one for each finding, or one if there is none."""
    verdict = {"ok": report.ok, "position": report.position, "digest": report.digest}
    findings = [{"finding_position": finding.position, "finding": finding.reason} for finding in report.findings]
    return [{**verdict, **finding} for finding in findings or [{"finding_position": "", "finding": ""}]]
