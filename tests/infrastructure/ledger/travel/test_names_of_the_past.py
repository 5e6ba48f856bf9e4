"""The past is asked with names as the present is: tokens or their codes, and every spelling of an address."""

from datetime import timedelta

from tallystick import Ledger, Token
from tests.support.books.varied_book import BEGIN

ADDRESS = "0x" + "Ab" * 20
USD = Token("USD")


def test_a_token_or_its_code_and_any_spelling_of_an_address() -> None:
    now = [BEGIN]
    with Ledger.open("memory:", clock=lambda: now[0]) as ledger:
        ledger.register_token(USD)
        ledger.mint("USD", ADDRESS.lower(), 5)
        end = ledger.status().head.position
        now[0] += timedelta(days=1)
        ledger.mint(USD, ADDRESS, 2, occurred_at=BEGIN)
        view, occurred = ledger.as_of(end), ledger.as_of(BEGIN, by="occurred_at")
        for account in (ADDRESS, ADDRESS.lower(), ADDRESS.upper().replace("0X", "0x")):
            for token in (USD, "USD"):
                assert view.balance(token, account).total == 5
                assert occurred.balance(token, account).total == 7
                assert view.explain(token, account).account == ADDRESS.lower()
                assert ledger.explain(token, account).balance.total == 7
                statement = ledger.statement(token, account)
                assert (statement.token, statement.account, statement.closing.total) == ("USD", ADDRESS.lower(), 7)
        for prefix in ("0xAB", "0xab"):
            assert set(view.balances(USD, prefix)) == set(occurred.balances(USD, prefix)) == {ADDRESS.lower()}
        assert occurred.balances("USD", after=ADDRESS) == {}
        assert [each.account for each in ledger.diff(end, token=USD)] == [ADDRESS.lower()]
        assert occurred.supply(USD).circulating == 7


def test_a_backup_of_the_past_opens_as_it_stood(tmp_path: object) -> None:
    with Ledger.open("memory:") as ledger:
        ledger.register_token(USD)
        ledger.mint("USD", "alice", 5)
        end = ledger.status().head.position
        ledger.mint("USD", "alice", 2)
        view = ledger.as_of(end)
        backup = view.backup(f"{tmp_path}/then.db")
        assert (backup.position, backup.digest) == (end, ledger.digest_at(end))
        with Ledger.open(f"{tmp_path}/then.db", create=False) as then:
            assert then.balance("USD", "alice").total == 5
            assert then.audit().ok
