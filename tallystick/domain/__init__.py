"""What may happen: the rules of the ledger, over values alone.

Nothing here knows a clock, chance, a disk or a framework. State and command go in, events or a refusal come out, and
applying an event never refuses.
"""

if __name__ != "tallystick.domain":
    raise ImportError("import tallystick.domain: under another name every class here would exist twice")
