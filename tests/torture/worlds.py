"""Random worlds: money of every account model moves at random, and a model of dictionaries says what it comes to.

A world is a ledger of its own, on a file or in memory, and some dozen entries: blocks of several steps, calls without a block,
batches. What the model refuses the ledger must refuse, whole; after every few entries every figure must be equal and every
token must add up to its supply; now and then the ledger is opened again, with its cache or without.
"""

import itertools
import shutil
from collections.abc import Callable
from contextlib import nullcontext
from pathlib import Path
from random import Random
from typing import Any

from tallystick import HIDDEN_BONDING_CURVE_ACCOUNT, SEAT_COLLECTION_POOL, Balances, Ledger, NotFound, Refused
from tests.torture.findings import Report
from tests.torture.kills import Plant, small_sizes
from tests.torture.world.model import CURVE, KEEPER, MAX_SUPPLY, RESERVE, TAXES, USERS, Impossible, Model, Step
from tests.torture.world.steps import FRAGMENTED, MONEY, SIZES, UNIT, call, draw, make_world, play

ENTRIES = 60
LOOKED_AFTER = 6
STEPS_MAX = 4
ROWS_MAX = 30
ENDOWED = 3
DRAWN = ("settle", "release")
"""Steps that name a hold."""
_names = itertools.count()


def run(tries: int, seed: int, folder: Path, *, first: int = 0, plant: Plant = nullcontext) -> Report:
    """Plays so many worlds; `first` is the number of the first one, to see one again."""
    report = Report("random worlds", seed, first)
    steps = refused = 0
    with report.timed():
        for number in range(first, first + tries):
            place = folder / f"world-{number}"
            place.mkdir(parents=True)
            with report.trying():
                chance = Random(f"{seed} world {number}")
                with small_sizes(chance), plant():
                    world = World(place, chance, lambda text: report.find("wrong", text))
                    try:
                        world.play()
                    finally:
                        world.ledger.close()
                    steps, refused = steps + world.steps, refused + world.refused
            shutil.rmtree(place)
    report.notes = f"{steps} steps, of which {refused} were refused"
    return report


class World:
    """A ledger and the model beside it; `find` takes what differs."""

    def __init__(self, place: Path, chance: Random, find: Callable[[str], object]) -> None:
        self._chance = chance
        self._find = find
        self._books = None if chance.random() < 0.3 else place / "books.db"
        self._url = f"memory:torture-{next(_names)}" if self._books is None else f"sqlite:///{self._books}?durability=normal"
        self.ledger = Ledger.open(self._url)
        self.model = Model()
        self.steps = self.refused = 0
        self._transfers: list[tuple[int, Step]] = []
        make_world(self.ledger)
        for token in (*MONEY, "TEA"):
            for user in USERS[:ENDOWED]:
                self._both([step := ("mint", token, user, SIZES[token])], lambda step=step: [call(self.ledger, step)])

    def play(self) -> None:
        """Entry after entry, and a look at all of it now and then."""
        for number in range(ENTRIES):
            self._chance.choice([self._block, self._block, self._call, self._call, self._batch, self._take_back])()
            if number % LOOKED_AFTER == LOOKED_AFTER - 1:
                if self._chance.random() < 0.3:
                    self._open_again()
                self._look()
        if not (report := self.ledger.audit()).ok:
            self._find(f"the audit finds {report.findings[:2]}")

    def _block(self) -> None:
        """Several steps, all or nothing."""
        steps = self._drawn(self._chance.randint(1, STEPS_MAX))

        def all_of_them() -> list[Any]:
            with self.ledger.atomic() as tx:
                return [play(tx, step) for step in steps]

        self._both(steps, all_of_them)

    def _drawn(self, count: int) -> list[Step]:
        """Steps that are possible one after another, but for one in ten."""
        steps, trial = list[Step](), self.model.copied()
        while len(steps) < count:
            step, before = draw(trial, self._chance), trial.copied()
            if step[0] in DRAWN and (trial.holds.keys() - self.model.holds.keys()) & set(step[1:3]):
                continue  # its id is not known before the block is played
            try:
                trial.do((*step, f"new {len(steps)}") if step[0] == "reserve" else step)
            except Impossible:
                if self._chance.random() < 0.9:
                    trial = before
                    continue
            steps.append(step)
            if step[0] == "distribute_income":
                break  # who got the last units is read off the balances, which no step may have changed since
        return steps

    def _call(self) -> None:
        (step,) = self._drawn(1)
        self._both([step], lambda: [call(self.ledger, step)])

    def _take_back(self) -> None:
        """A transfer as it was, or another one."""
        if self._transfers:
            entry, (_, token, sender, receiver, amount) = self._transfers.pop(self._chance.randrange(len(self._transfers)))
            self._both([("transfer", token, receiver, sender, amount)], lambda: [self.ledger.reverse(entry=entry)])
            return
        token, (sender, receiver) = self._chance.choice(MONEY), self._chance.sample(USERS, 2)
        step = ("transfer", token, sender, receiver, max(1, self.model.cells[token, sender] // 3))

        def transferred() -> list[Any]:
            self._transfers.append((self.ledger.transfer(*step[1:]).entry_id, step))
            return [None]

        self._both([step], transferred)

    def _both(self, steps: list[Step], played: Callable[[], list[Any]]) -> None:
        """Plays steps on the ledger, and on the model in its place if it can do them."""
        self.steps += len(steps)
        try:
            trial = self.model.copied()
            for step in steps:
                trial.do((*step, f"new {len(trial.holds)}") if step[0] == "reserve" else step)
            possible = True
        except Impossible:
            possible = False
        try:
            results = played()
        except (Refused, NotFound) as error:
            self.refused += len(steps)
            if possible:
                self._find(f"{steps} were refused, and are possible: {error}")
            return
        if not possible:
            self._find(f"{steps} were done, and are impossible")
            return
        for step, result in zip(steps, results, strict=True):
            self.model.do(self._told(step, result))

    def _told(self, step: Step, result: Any) -> Step:
        """The step with what only the ledger knows: ids, and who got the last units of a distribution."""
        if step[0] == "reserve":
            return (*step, result)
        if step[0] == "distribute_income" and self.model.cells["TEA", "APP"]:
            before = {user: self.model.cells["APP", user] for user in USERS}
            return ("distribute_income", {user: self.ledger.balance("APP", user).total - before[user] for user in USERS})
        return step

    def _batch(self) -> None:
        """Transfers as columns, of which those that are impossible are left out."""
        token = self._chance.choice(MONEY)
        rows = [
            (*self._chance.sample(USERS, 2), self._chance.randint(1, SIZES[token] // 3))
            for _ in range(self._chance.randint(1, ROWS_MAX))
        ]
        self.steps += len(rows)
        trial = self.model.copied()
        refused = trial.rows(token, rows)
        senders, receivers, amounts = map(list, zip(*rows, strict=True))
        receipt = self.ledger.transfer_many(token, senders, receivers, amounts, on_refusal="skip")
        said = [row.index for row in receipt.refused]
        if said != refused:
            self._find(f"of {rows} of {token} {said} were refused, and {refused} are impossible")
        self.refused += len(refused)
        self.model = trial

    def _open_again(self) -> None:
        other = Ledger.open(self._url)
        self.ledger.close()
        if self._books is not None and self._chance.random() < 0.5:
            other.close()
            if self._chance.random() < 0.5:
                shutil.rmtree(f"{self._books}.cache", ignore_errors=True)
            other = Ledger.open(self._url)
        self.ledger = other

    def _look(self) -> None:
        """Holds every figure of the ledger against the model's, and against the supply."""
        model, ledger = self.model, self.ledger
        told: dict[str, int] = {}
        wanted: dict[str, int] = {}
        for token, supply in MAX_SUPPLY.items():
            for user in (*USERS, "backed"):
                told[f"{token} of {user}"] = ledger.balance(token, user).available
                wanted[f"{token} of {user}"] = model.cells[token, user]
            told[f"the reserve of {token}"], wanted[f"the reserve of {token}"] = (
                ledger.supply(token).reserve,
                model.cells[token, RESERVE],
            )
            if model.total(token) != supply:
                self._find(f"the model has {model.total(token)} {token} of {supply}")
            self._sum(token, supply)
        for user in USERS:
            told[f"what {user} deposited"], wanted[f"what {user} deposited"] = ledger.state[user]["APP"], model.deposits[user]
        told["income"], wanted["income"] = ledger.state["TEA"]["APP"], model.cells["TEA", "APP"]
        told["the curve"] = ledger.state["APP"][HIDDEN_BONDING_CURVE_ACCOUNT]
        wanted["the curve"] = model.cells["TEA", CURVE]
        told["taxes"], wanted["taxes"] = ledger.state["TEA"][SEAT_COLLECTION_POOL], model.cells["TEA", TAXES]
        for name, of in model.contracts.items():
            stands = ledger.contract(name)
            told |= {f"{name}: balance": stands.balance, f"{name}: sum": stands.allocs_sum}
            wanted |= {f"{name}: balance": of.balance, f"{name}: sum": of.allocated}
            told |= {f"{name}: {account}": share.sati for account, share in stands.allocations().items()}
            wanted |= {f"{name}: {account}": share for account, share in of.shares.items()}
        told |= {id: hold.remaining for id, hold in ((each.id, each) for each in ledger.holds())}
        wanted |= {id: hold.left for id, hold in model.holds.items()}
        different = {name: (told.get(name), wanted.get(name)) for name in told | wanted if told.get(name) != wanted.get(name)}
        if different:
            self._find(f"the ledger and the model differ in {different}")

    def _sum(self, token: str, supply: int) -> None:
        """Whatever the model says: cells add up to the supply, and fragments to balances."""
        ledger = self.ledger
        balances = ledger.balances(token)
        total = ledger.supply(token).reserve + sum(balance.total for balance in balances.values())
        if token == "TEA":
            total += sum(ledger.state[user]["APP"] for user in USERS) + ledger.state["APP"][HIDDEN_BONDING_CURVE_ACCOUNT]
        if total != supply:
            self._find(f"the cells of {token} add up to {total} of {supply}")
        replayed = ledger.replay(Balances()).state[token]["available"]
        if any(replayed.get(account, 0) != balance.available for account, balance in balances.items()):
            self._find(f"a replay of {token} gives {replayed}, and the books {balances}")
        if token == FRAGMENTED:
            for account, balance in balances.items():
                fragments = [fragment.amount for fragment in ledger.fragments(token, account)]
                if account != KEEPER and (sum(fragments) != balance.total or any(not 0 < each <= UNIT for each in fragments)):
                    self._find(f"the fragments {fragments} of {account} are not its {balance}")
