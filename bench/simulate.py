"""1,000 workers and 1 million executions a day, simulated: how long an execution waits, what is
read and written, who is in whose way, and which limit is reached first as the load grows.

The same seed prints the same table. Run it with `--help` for what can be changed.
"""

from __future__ import annotations

import argparse
from dataclasses import fields, replace

from sides.scale import ROWS, Setup
from sides.simulation import Simulation


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--loads", default="1,2,5,10", help="times the load, one run each")
    for each in fields(Setup):
        if each.name not in ("load", "doorbell"):
            kind = type(each.default)
            parser.add_argument(f"--{each.name.replace('_', '-')}", type=kind, default=each.default)
    parser.add_argument("--doorbell", action=argparse.BooleanOptionalAction, default=True)
    given = vars(parser.parse_args())
    loads = [float(each) for each in given.pop("loads").split(",")]
    base = Setup(**given)
    setups = [replace(base, load=load) for load in loads]
    reports = [Simulation(setup).run() for setup in setups]
    print(f"{'load':38}" + "".join(f"{f'x{load:g}':>12}" for load in loads))
    for name, show in ROWS.items():
        print(f"{name:38}" + "".join(f"{show(report):>12}" for report in reports))
    for setup, report in zip(setups, reports, strict=True):
        print(f"x{setup.load:g} exceeds: {report.breaks(setup)}")


if __name__ == "__main__":
    main()
