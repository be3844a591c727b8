#!/usr/bin/env python3
"""Loads the same CSV files with Wharf and its peers, in turn, and writes docs/benchmarks.md.

    cargo build --release
    python3 -m venv ~/peers && ~/peers/bin/pip install -r benches/peers/requirements.txt
    ~/peers/bin/python benches/peers/run.py --data ~/peers/data

The page gets its figures between two marks, and a plot beside it. SQLite and PostgreSQL are run if
their programs are installed; whatever is not installed is left out, and the page says so.

    --scale 0.05     another scale factor, to try the script in half a minute
    --quick          only the peers that a goal names: DuckDB and ClickHouse
    --scale-ten      only the ten-fold table, with Wharf alone; adds to the figures of the last run
    --page-only      writes the page again from the figures of the last run

Rounds go A B C A B C, so that a machine that drifts does so for all, and a ratio is of two runs of
one round. Each load is a process (PostgreSQL: a server and a client) that begins with an empty
database and a synced disk. The input is in the page cache. Run it on an idle machine.

workload.py has the table and its files, peers.py the peers, inside.py those that run in Python,
bench.py the rounds, measure.py the measuring, report.py the page, plot.py the plot.
"""

import argparse
import json
import pathlib
import signal
import sys

import plot
import report
from bench import Bench, say
from measure import remove

ROOT = pathlib.Path(__file__).resolve().parent.parent.parent

PEERS = ["duckdb", "chdb", "polars", "sqlite", "postgres"]
QUICK = ["duckdb", "chdb"]


def arguments() -> argparse.Namespace:
    """Reads the command line."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    path = pathlib.Path
    parser.add_argument("--data", type=path, required=True, help="where the files are, or are made")
    parser.add_argument("--work", type=path, help="where databases are made (default: DATA/work)")
    parser.add_argument("--wharf", type=path, default=ROOT / "target/release/wharf")
    parser.add_argument("--scale", type=float, default=1.0)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--peers", help=f"comma-separated (default: {','.join(PEERS)})")
    parser.add_argument("--quick", action="store_true",
                        help=f"the same as --peers {','.join(QUICK)}")
    parser.add_argument("--scale-ten", action="store_true", help="only the ten-fold table")
    parser.add_argument("--page-only", action="store_true", help="only write the page again")
    parser.add_argument("--page", type=path, default=ROOT / "docs/benchmarks.md",
                        help="the page to write into; the plot lies beside it")
    options = parser.parse_args()
    if options.peers is not None:
        options.peers = [name for name in options.peers.split(",") if name]
    else:
        options.peers = QUICK if options.quick else PEERS
    if wrong := set(options.peers) - set(PEERS):
        parser.error(f"no such peer: {', '.join(sorted(wrong))}")
    if options.rounds < 1 or options.scale <= 0:
        parser.error("--rounds and --scale must be positive")
    options.data = options.data.resolve()
    # A directory of our own, because it is removed at the end.
    options.work = (options.work or options.data).resolve() / "peers-work"
    options.wharf = options.wharf.resolve()
    return options


def main() -> None:
    """Runs what the command line asks for, and writes the page."""
    if sys.platform != "linux":
        sys.exit("the measuring is written for Linux")
    # Ends as Ctrl-C does, by way of what stops the servers and removes the databases.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    options = arguments()
    report.check_page(options.page)
    kept = options.data / f"results-{options.scale:g}.json"
    results = json.loads(kept.read_text()) if kept.exists() else {}
    if not options.page_only:
        remove(options.work)
        bench = Bench(options)
        if options.scale_ten:
            results["ten"] = bench.run_ten()
        else:
            results = bench.run() | ({"ten": results["ten"]} if "ten" in results else {})
        kept.write_text(json.dumps(results, indent=1))
    if "subjects" not in results:
        say(f"no page yet: there are no figures of a full run at scale factor {options.scale:g}")
        sys.exit(0 if options.scale_ten else 1)
    plot.write(options.page.with_suffix(".svg"), results)
    report.write(options.page, results)
    if results["disagreements"]:
        sys.exit("not equal to Wharf's: " + "; ".join(results["disagreements"]))


if __name__ == "__main__":
    main()
