"""What was said of entries against what the ledger has of them: lost ones, half ones, and money that does not add up."""

import json
from collections import Counter
from collections.abc import Iterable

import msgspec

from tallystick import Ledger
from tests.torture.findings import Report
from tests.torture.writing.entries import ACCOUNTS, CONTRACT, FUNDED, FUNDS, KEEPER, Intent


class Witness:
    """Hears what the writers of one journal say, and holds the ledger to it as often as it is asked to."""

    def __init__(self) -> None:
        self.intents: dict[str, Intent] = {}
        self.done: dict[str, int] = {}
        self.refused: dict[str, str] = {}
        self.standing: set[str] = set()
        """The keys of entries that were seen in the ledger: they stay there."""

    def hear(self, lines: Iterable[str]) -> None:
        """Takes in what a process said. Its last line may have been cut off, and says nothing then."""
        for line in lines:
            try:
                what, said, *more = json.loads(line)
            except ValueError:
                continue
            if what == "intent":
                intent = msgspec.convert(said, Intent)
                self.intents[intent.key] = intent
            elif what == "done":
                self.done[said] = more[0]
            elif more[0]:
                self.refused[said] = more[1]

    def check(self, ledger: Ledger, report: Report, *, durable: bool = True) -> None:
        """Enters what is wrong with the ledger. Unless it was `durable`, what was acknowledged may be missing."""
        gained: Counter[tuple[str, str]] = Counter()
        pool = 0
        seen: set[str] = set()
        for key, intent in self.intents.items():
            receipt = ledger.receipt(key)
            told = self.done.get(key)
            if receipt is None:
                if durable and (told is not None or key in self.standing):
                    report.find("lost", f"{key} ({intent.kind}) was acknowledged at {told} and is not there")
                continue
            seen.add(key)
            if told not in (None, receipt.position):
                report.find("wrong", f"{key} was acknowledged at {told} and stands at {receipt.position}")
            if key in self.refused:
                report.find("wrong", f"{key} stands, and was refused: {self.refused[key]}")
            if len(receipt.transaction_ids) != intent.legs:
                report.find("partial", f"{key} ({intent.kind}) has {len(receipt.transaction_ids)} of {intent.legs} movements")
            for token, account, amount in intent.gains:
                gained[token, account] += amount
            pool += intent.pool
        self.standing |= seen if durable else set()
        self._check_sums(ledger, report, gained, pool, set_up=bool(seen) or ledger.receipt("setup") is not None)

    def _check_sums(self, ledger: Ledger, report: Report, gained: Counter[tuple[str, str]], pool: int, set_up: bool) -> None:
        if set_up:
            wanted = {(token, account): FUNDS for token in FUNDED for account in ACCOUNTS}
            wanted |= {("PLN", KEEPER): 0, ("USD", KEEPER): 0, ("PLN", CONTRACT): 0}
            for (token, account), amount in wanted.items():
                wants, has = amount + gained[token, account], ledger.balance(token, account).total
                if wants != has:
                    report.find("partial", f"{account} has {has} {token}, and the entries that stand make it {wants}")
            contract = ledger.contract(CONTRACT)
            if (contract.balance, contract.allocs_sum) != (pool, pool):
                report.find("partial", f"the contract has {contract}, and the entries that stand make it {pool}")
        audited = ledger.audit()
        if not audited.ok:
            report.find("wrong", f"the audit finds {audited.findings[:2]}")
        last = max((self.done[key] for key in self.done if key in self.standing), default=0)
        if audited.position < last:
            report.find("lost", f"the journal ends at {audited.position}, and {last} was acknowledged")
