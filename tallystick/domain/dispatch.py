"""Which rule an event is applied by: that of its type, or of the type that its own is a subclass of."""

from typing import TypeVar

Rule = TypeVar("Rule")


class Rules(dict[type, Rule]):
    """Rules by type. `KeyError` for a type for which, and for whose bases, there is none."""

    def __missing__(self, kind: type) -> Rule:
        for base in kind.__mro__[1:]:
            if base in self:
                rule = self[kind] = self[base]
                return rule
        raise KeyError(kind)
