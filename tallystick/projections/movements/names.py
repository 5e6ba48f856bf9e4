"""The names that batches gave the accounts of a token, as one column of Arrow that grows and is never copied as a whole."""

from collections.abc import Sequence
from typing import Any

import numpy as np

from tallystick.domain.arithmetic.columns import Column
from tallystick.domain.values.account import DAO_RESERVED_ACCOUNT
from tallystick.projections.movements.cells import grown
from tallystick.projections.movements.schema import pyarrow


class NamesColumn:
    """The names by number, of one token. `seats` is the number of the account that the seats mint to, if it has one."""

    def __init__(self) -> None:
        self.seats: int | None = None
        self._count = 0
        self._ends = np.zeros(1024, dtype=np.int64)  # where each name begins in the text, and behind the last where it ends
        self._text = np.zeros(16 * 1024, dtype=np.uint8)
        self._column: Any = None

    def take(self, names: Sequence[str], numbers: Column) -> Any:
        """The names of rows by their numbers; `names` are those that are known by now, and never fewer than before."""
        self.know(names)
        arrow = pyarrow()
        return self._column.take(arrow.array(numbers)).cast(arrow.string())

    def know(self, names: Sequence[str]) -> None:
        """Adds the names that are new."""
        if len(names) > self._count or self._column is None:
            self._add(names[self._count :])

    def _add(self, names: Sequence[str]) -> None:
        encoded = [name.encode() for name in names]
        count, used = self._count + len(encoded), int(self._ends[self._count])
        text = np.frombuffer(b"".join(encoded), dtype=np.uint8)
        self._ends = grown(self._ends, self._count + 1, count + 1)
        self._text = grown(self._text, used, used + len(text))
        self._text[used : used + len(text)] = text
        lengths = np.fromiter(map(len, encoded), dtype=np.int64, count=len(encoded))
        self._ends[self._count + 1 : count + 1] = used + np.cumsum(lengths)
        if self.seats is None and DAO_RESERVED_ACCOUNT in names:
            self.seats = self._count + list(names).index(DAO_RESERVED_ACCOUNT)
        self._count = count
        arrow = pyarrow()
        buffers = [None, arrow.py_buffer(self._ends), arrow.py_buffer(self._text)]
        self._column = arrow.Array.from_buffers(arrow.large_string(), count, buffers)
