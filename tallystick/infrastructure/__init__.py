"""Where and how: stores, ids, the clock, the command line and its reports."""

if __name__ != "tallystick.infrastructure":
    raise ImportError("import tallystick.infrastructure: under another name every class here would exist twice")
