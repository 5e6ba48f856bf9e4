"""An app as it stands: its figures, what a trade would bring, and its calls."""

import copy
import pickle
from typing import Any

import pytest

from tallystick import AppState, Ledger, LedgerClosed, LedgerError, Token, UnknownCurve
from tests.support.books.app_book import BONDING, TOKENS, T
from tests.support.books.behind import journal_of


def test_an_app_as_it_stands_and_what_a_trade_would_bring(ledger: Ledger) -> None:
    for token in TOKENS:
        ledger.register_token(token)
    ledger.mint("TEA", "alice", 100 * T)
    app = ledger.app("TeaParty")
    assert app == ledger.app("TeaParty")
    assert hash(app) == hash(ledger.app("TeaParty"))
    assert app != ledger.app("GlobalToken")
    assert (app.code, app.owner, app.accepts, app.supply, app.reserve) == ("TeaParty", "dev", ("USDT",), 0, 0)
    for payment in (1, T, 3 * T):
        quoted, rows = app.quote_buy(payment), len(list(journal_of(ledger).rows()))
        assert len(list(journal_of(ledger).rows())) == rows
        before = ledger.balance("TeaParty", "alice").total
        app.buy("alice", payment, at_least=quoted)
        assert ledger.balance("TeaParty", "alice").total == before + quoted
    quoted, before = app.quote_sell(T // 2), ledger.balance("TEA", "alice").total
    app.sell("alice", T // 2, at_least=quoted)
    assert ledger.balance("TEA", "alice").total == before + quoted
    newest = ledger.app("TeaParty")
    assert (newest.supply, newest.reserve) == (ledger.supply("TeaParty").circulating, ledger.state["TeaParty"][BONDING])
    curve = ledger.token("TeaParty").curve
    assert curve is not None
    assert newest.price == curve.price(newest.supply)
    assert app.supply == 0, "it is as it was"


def test_an_app_that_was_pickled_has_its_figures_and_no_ledger(ledger: Ledger) -> None:
    for token in TOKENS:
        ledger.register_token(token)
    app = ledger.app("TeaParty")
    again = pickle.loads(pickle.dumps(app))
    assert (again, repr(again), again.to_dict()) == (app, repr(app), app.to_dict())
    assert repr(app).startswith("AppState(code='TeaParty', owner='dev', accepts=('USDT',), price=")
    assert repr(app).endswith("supply=0, reserve=0)")
    for ask in (lambda: again.quote_buy(1), lambda: again.quote_sell(1), lambda: again.buy("alice", 1)):
        with pytest.raises(LedgerClosed, match="TeaParty"):
            ask()
    for copied in (copy.copy(app), copy.deepcopy(app)):
        assert copied.quote_buy(T) == app.quote_buy(T)


def quotes(app: AppState) -> list[Any]:
    found: list[Any] = []
    for quote in (app.quote_buy, app.quote_sell):
        for amount in (0, 1.5, 10**60):
            with pytest.raises(LedgerError) as caught:
                quote(amount)  # type: ignore[arg-type]
            found.append(caught.type.__name__)
    return found


def test_a_quote_is_refused_as_the_trade(ledger: Ledger) -> None:
    for token in TOKENS:
        ledger.register_token(token)
    assert quotes(ledger.app("GlobalToken")) == [
        *["InvalidAmount"] * 2,
        "SupplyExhausted",
        *["InvalidAmount"] * 2,
        "InsufficientFunds",
    ]
    ledger.register_token(Token("Plain", role="app"))
    app = ledger.app("Plain")
    assert app.price is None
    with pytest.raises(UnknownCurve):
        app.quote_buy(1)
