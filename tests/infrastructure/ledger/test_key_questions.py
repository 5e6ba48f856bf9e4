"""Tasks that begin together ask PostgreSQL about their keys together, and each is told about its own."""

import asyncio
from collections.abc import Collection, Mapping

import pytest

from tallystick import AsyncLedger, DuplicateIdempotencyKey, IdempotencyMismatch, StorageUnavailable, Token
from tests.support.books.behind import journal_of

TASKS = 200


async def pay(ledger: AsyncLedger, key: str, request: object = None) -> BaseException | None:
    """One unit from Alice to the account named like the key; gives what it is refused for."""
    try:
        async with ledger.atomic(key, request) as tx:
            tx.transfer("USD", "alice", key, 1)
    except Exception as error:
        return error
    return None


def test_one_question_for_many_tasks(postgres_url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    async def scenario() -> None:
        async with AsyncLedger.open(postgres_url) as ledger:
            await ledger.register_token(Token("USD"))
            async with ledger.atomic() as tx:
                tx.mint("USD", "alice", 1_000)
            journal = journal_of(ledger)
            questions: list[int] = []
            answer = journal.key_positions

            def counted(keys: Collection[str]) -> Mapping[str, int]:
                questions.append(len(keys))
                return answer(keys)

            monkeypatch.setattr(journal, "key_positions", counted)
            first = await asyncio.gather(*(pay(ledger, f"key-{number}", number) for number in range(TASKS)))
            assert first == [None] * TASKS
            assert questions == [TASKS]
            again = await asyncio.gather(
                *(pay(ledger, f"key-{number}", number + number % 2) for number in range(2 * TASKS)), pay(ledger, "key-1", 1)
            )
            kinds = [type(error) for error in again]
            assert kinds[:TASKS:2] == [DuplicateIdempotencyKey] * (TASKS // 2)
            assert kinds[1:TASKS:2] == [IdempotencyMismatch] * (TASKS // 2)
            assert kinds[TASKS:-1] == [type(None)] * TASKS
            assert kinds[-1] is DuplicateIdempotencyKey
            assert (await ledger.balance("USD", "alice")).total == 1_000 - 2 * TASKS

    asyncio.run(scenario())


def test_all_are_told_where_the_store_does_not_answer(postgres_url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    def silent(keys: Collection[str]) -> Mapping[str, int]:
        raise StorageUnavailable("the server is gone")

    async def scenario() -> None:
        async with AsyncLedger.open(postgres_url) as ledger:
            await ledger.register_token(Token("USD"))
            async with ledger.atomic() as tx:
                tx.mint("USD", "alice", 1_000)
            with monkeypatch.context() as patch:
                patch.setattr(journal_of(ledger), "key_positions", silent)
                told = await asyncio.gather(*(pay(ledger, f"key-{number}") for number in range(3)))
                assert [type(error) for error in told] == [StorageUnavailable] * 3
            assert await pay(ledger, "key-0") is None

    asyncio.run(scenario())


def test_a_cancelled_task_leaves_the_others_their_answer(postgres_url: str) -> None:
    async def scenario() -> None:
        async with AsyncLedger.open(postgres_url) as ledger:
            await ledger.register_token(Token("USD"))
            async with ledger.atomic() as tx:
                tx.mint("USD", "alice", 1_000)
            tasks = [asyncio.create_task(pay(ledger, f"key-{number}")) for number in range(3)]
            await asyncio.sleep(0)
            tasks[1].cancel()
            told = await asyncio.gather(*tasks, return_exceptions=True)
            assert told[0] is None
            assert isinstance(told[1], asyncio.CancelledError)
            assert told[2] is None
            assert await pay(ledger, "key-1") is None

    asyncio.run(scenario())
