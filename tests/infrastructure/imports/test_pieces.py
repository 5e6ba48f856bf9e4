"""What an earlier version imported is known again, whole or half: the keys of its pieces are a format."""

from collections.abc import Callable
from pathlib import Path

import pytest

from tallystick import Ledger, Token
from tallystick.infrastructure.imports.allocations import import_allocations
from tallystick.infrastructure.imports.erc20 import import_erc20
from tallystick.infrastructure.imports.report import ImportReport
from tallystick.infrastructure.imports.tea_state import import_tea_state
from tallystick.infrastructure.imports.transfers.transfers import import_transfers
from tests.support.books.begun_imports import (
    allocations_input,
    csv_transfers,
    erc20_input,
    long_transfers,
    mixed_transfers,
    parquet_transfers,
    tea_state_input,
)

# What earlier code took: the keys of its pieces, and how many rows lie before the end of each.

Run = Callable[[Ledger, Path], ImportReport]

TAKEN: dict[str, list[str]] = {
    "erc20": [
        "import:erc20:0:82f4a27eda27e5cf3ad19529ac79f2a2949cdcfb03c83989debce8f19fd43f33",
        "import:erc20:1:a996d71269bc8106a6951c3892dc882470aef28c3dd60ee42cb80431b4af970f",
        "import:erc20:2:aad1e115c83416fdd0be8d5957e0b6235d1d8ace901d6a5e807cdc7109a7ee3f",
    ],
    "allocations": [
        "import:allocations:0:b7d3e7d82b6c3b98e1147ea6372e1662adbcda08a4a69982338d725d368b55cf",
        "import:allocations:1:b10c111dbebb76a262820e41285d68c9b26fafe976c4594fb4dfab75fb5b989c",
        "import:allocations:2:68277e3e983da214fd60a23a09e6e82a3bff35343c4bc84e3622be28f16e7a42",
    ],
    "tea-state": [
        "import:tea-state:4d1b27da54e15f2537ca376668b7be89cd5b42121ba4b8664d69a41eb6d65f99",
    ],
    "long transfers": [
        "import:transfers:0:4d51e6dc963f0b32d6ebd6bb172e542aa0f2bc5d36931b2a885aa7cf2705612a",
        "import:transfers:1:c1ee928d8b419526f77ae61a596aabb7bdc8b9701a9658a08a3e43a3cb3d1287",
        "import:transfers:2:0565ae8d8edd5aac38193304b770adc67161504e16397d1579a5437b217c6157",
    ],
    "mixed transfers": [  # number 2 is not there: all its rows were refused
        "import:transfers:0:fc143516bbfd6cad38dc7754a3542e6f7ac45e1a0628835f1b0e6d939e536d9a",
        "import:transfers:1:99fce9eb443c4e3d0d2c35385efe6c2580b20bc0ceb066cc43c0824f24a415f8",
        "import:transfers:3:e321fc90b057ac4c22fdb4528518a77c4632b84ef34b3471f56528ec006a6135",
        "import:transfers:4:0765f89ef760a544b43b04752e1b80fb9e250cae660ff624f88170225403ff5f",
        "import:transfers:5:2978794c55178fc1ff125b94f316817e9e9e96b30d0cf69a37aa91d524e902a6",
        "import:transfers:6:01398b0952c2bd10e1e1a553eaecbc7bc9e935fd16eec6460940be295d33292f",
    ],
}


def transfers(ledger: Ledger, path: Path) -> ImportReport:
    return import_transfers(ledger, path, max_supply=2**256 - 1, on_refused=lambda refused: None)


CASES: list[tuple[str, Callable[[Path], Path], Run, list[int]]] = [
    ("erc20", erc20_input, import_erc20, [250, 500, 560]),
    ("allocations", allocations_input, lambda ledger, path: import_allocations(ledger, path, "SAFE", 10**6), [250, 500, 583]),
    ("tea-state", tea_state_input, import_tea_state, [5]),
    ("long transfers", lambda path: csv_transfers(path, long_transfers()), transfers, [16_380, 32_760, 33_000]),
    ("long transfers", lambda path: parquet_transfers(path, long_transfers()), transfers, [16_380, 32_760, 33_000]),
    ("mixed transfers", lambda path: csv_transfers(path, mixed_transfers()), transfers, [2, 3, 7, 8, 9, 12]),
    ("mixed transfers", lambda path: parquet_transfers(path, mixed_transfers()), transfers, [2, 3, 7, 8, 9, 12]),
]


@pytest.mark.parametrize(("case", "write", "run", "rows"), CASES)
def test_what_earlier_code_took_whole_or_in_part_is_known_again(
    tmp_path: Path, case: str, write: Callable[[Path], Path], run: Run, rows: list[int]
) -> None:
    path, keys = write(tmp_path / "input"), TAKEN[case]
    for taken in range(len(keys) + 1):
        with Ledger.open("memory:") as ledger:
            ledger.register_token(Token("mark"))
            for key in keys[:taken]:  # its content matters as little as that of what a key stands for
                with ledger.atomic(key) as tx:
                    tx.mint("mark", "somebody", 1)
            report = run(ledger, path)
            tried = rows[taken - 1] if taken else 0
            moving = report.recorded + report.known + report.refused
            if "transfers" not in case:
                assert (report.known, moving) == (tried, rows[-1])
            assert report.recorded <= rows[-1] - tried
            imported = [token.code for token in ledger.tokens() if token.code != "mark" and ledger.balances(token.code)]
            assert bool(imported) == (taken < len(keys) and report.recorded > 0)
            position = ledger.verify().position
            again = run(ledger, path)
            assert (again.recorded, ledger.verify().position) == (0, position)
            assert all(getattr(again, each) == getattr(report, each) for each in ("mints", "transfers", "burns", "refused"))
