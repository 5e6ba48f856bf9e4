"""Tallystick: an event-sourced ledger on an append-only journal."""

from tallystick.domain.account import (
    DAO_RESERVED_ACCOUNT,
    HIDDEN_BONDING_CURVE_ACCOUNT,
    SEAT_COLLECTION_POOL,
    SEAT_DISTRIBUTION_POOL,
    TOTAL_SUPPLY_RESERVE,
    address,
)
from tallystick.domain.errors import *  # noqa: F403
from tallystick.domain.hold import Hold
from tallystick.domain.money import Money, MoneySlice
from tallystick.domain.token import Token
from tallystick.domain.token_state import Balance, Supply
from tallystick.domain.value_object import FragmentState, ValueObject
from tallystick.infrastructure.audit import AuditReport
from tallystick.infrastructure.ledger import Ledger
from tallystick.infrastructure.receipt import Receipt
from tallystick.projections.balances import Balances
from tallystick.projections.fragments import Fragments
from tallystick.projections.supply import SupplyReserves
from tallystick.projections.transactions import Transaction, Transactions
