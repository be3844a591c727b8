#!/usr/bin/env python3
"""Loads lineitem from NDJSON, Parquet and CSV with other options, in turn, into docs/benchmarks.md.

    cargo build --release
    python3 -m venv ~/peers && ~/peers/bin/pip install -r benches/peers/requirements.txt
    ~/peers/bin/python benches/peers/formats.py --data ~/peers/data

Two things are told: what `on_error`, `lenient` and `header` cost a clean CSV file, against the same
file without them; and how NDJSON and Parquet compare with DuckDB, which also writes those files.
Rounds go A B C A B C, as in run.py, and a ratio is of two runs of one round. The page gets its
figures between two marks.
"""

import argparse
import pathlib
import statistics
import sys

import workload
from bench import say
from measure import Run, machine, remove, run_process, warm
from peers import Load, Package, Peer, Wharf

ROOT = pathlib.Path(__file__).resolve().parent.parent.parent
BEGIN, END = "<!-- formats -->\n", "<!-- /formats -->\n"

CLEAN = {
    "plain": "header = 'skip'",
    "header = 'match'": "header = 'match'",
    "on_error = 'skip'": "header = 'skip', on_error = 'skip'",
    "lenient": "header = 'skip', lenient",
}
"""Options of a clean CSV file; the first is what the others are compared with."""

MOST = 1.05
"""What they may cost."""

Subjects = dict[str, tuple[Peer, Load]]
"""Who loads what, by the names that the page shows."""


def convert(csv: pathlib.Path, target: pathlib.Path, options: str) -> None:
    """Lets DuckDB write the rows of a CSV file again, in a process of its own."""
    columns = ", ".join(f"{name!r}: {kind!r}" for name, kind in workload.COLUMNS)
    unfinished = target.with_name(target.name + ".unfinished")
    sql = (f"COPY (SELECT * FROM read_csv('{csv}', header = true, columns = {{{columns}}})) "
           f"TO '{unfinished}' ({options})")
    run_process([sys.executable, "-c", "import sys, duckdb; duckdb.sql(sys.argv[1])", sql])
    unfinished.rename(target)


def files(directory: pathlib.Path, scale: float) -> dict[str, pathlib.Path]:
    """Makes the files that are not there yet; returns them by format."""
    csv = directory / "lineitem.csv"
    if not csv.exists():
        directory.mkdir(parents=True, exist_ok=True)
        workload.generate(directory, scale)
    others = {"NDJSON": "FORMAT json", "PARQUET": "FORMAT parquet"}
    paths = {"CSV": csv}
    for kind, options in others.items():
        paths[kind] = directory / f"lineitem.{kind.lower()}"
        if not paths[kind].exists():
            convert(csv, paths[kind], options)
    return paths


def tolerant(wharf: Peer, paths: dict[str, pathlib.Path]) -> Subjects:
    """Returns Wharf with each set of options."""
    return {f"Wharf, CSV, {name}": (wharf, Load((paths["CSV"],), options=options))
            for name, options in CLEAN.items()}


def others(wharf: Peer, duckdb: Peer, paths: dict[str, pathlib.Path]) -> Subjects:
    """Returns both programs with each format."""
    table: Subjects = {}
    for kind in ("NDJSON", "PARQUET"):
        for name, key in (("with key", True), ("no key", False)):
            table[f"Wharf, {kind}, {name}"] = (
                wharf, Load((paths[kind],), key, kind=kind, options=""))
            table[f"DuckDB, {kind}, {name}"] = (duckdb, Load((paths[kind],), key))
    return table


def rounds(table: Subjects, work: pathlib.Path, count: int) -> dict[str, list[Run]]:
    """Runs everything in turn, once more than is counted; all tables must be equal."""
    runs: dict[str, list[Run]] = {name: [] for name in table}
    answers: dict[str, list[list[str]]] = {}
    for number in range(count + 1):
        for name, (peer, load) in table.items():
            database = work / "database"
            run = peer.load(load, database)
            say(f"round {number}: {name}: {run.wall:.2f} s, {run.cpu:.2f} CPU s, "
                f"{run.peak:.0f} MiB")
            if number == 0:
                answers[name] = peer.ask(database, {"check": workload.CHECK}, 1)["check"].rows
            else:
                runs[name].append(run)
            remove(database)
    if len({str(rows) for rows in answers.values()}) != 1:
        sys.exit(f"the tables differ: {answers}")
    return runs


def spread(values: list[float]) -> str:
    """Writes a median with its least and its greatest value."""
    return f"{statistics.median(values):.2f} ({min(values):.2f} to {max(values):.2f})"


def ratio(runs: dict[str, list[Run]], mine: str, other: str) -> tuple[str, str, float]:
    """Returns the ratios of wall and CPU seconds as text, and the median of the former."""
    walls = [a.wall / b.wall for a, b in zip(runs[mine], runs[other], strict=True)]
    processors = [a.cpu / b.cpu for a, b in zip(runs[mine], runs[other], strict=True)]
    return spread(walls), spread(processors), statistics.median(walls)


def page(runs: dict[str, list[Run]], heading: str) -> tuple[str, list[str]]:
    """Returns the text between the marks, and what is not as it should be."""
    plain, *others = [f"Wharf, CSV, {name}" for name in CLEAN]
    pairs = [(name, plain, MOST) for name in others]
    pairs += [(name, name.replace("Wharf", "DuckDB"), 1.0)
              for name in runs if name.startswith("Wharf") and "CSV" not in name]
    lines = [heading, "", "| what | against | goal, at most | wall | CPU seconds |",
             "|---|---|---|---|---|"]
    faults = []
    for mine, other, most in pairs:
        walls, processors, median = ratio(runs, mine, other)
        lines.append(f"| {mine} | {other} | {most:.2f} | {walls} | {processors} |")
        if median > most:
            faults.append(f"{mine} takes {median:.2f} of {other}; {most:.2f} is the goal")
    lines += ["", "Not reached: " + "; ".join(faults) + "." if faults else "All goals are reached.",
              "", "| what | wall s, median (least to most) | CPU s | peak MiB, most |",
              "|---|---|---|---|"]
    for name, taken in runs.items():
        walls, processors = [run.wall for run in taken], [run.cpu for run in taken]
        peak = max(run.peak for run in taken)
        lines.append(f"| {name} | {spread(walls)} | {spread(processors)} | {peak:.0f} |")
    return "\n".join(lines) + "\n", faults


def main() -> None:
    """Measures, and writes the page."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    path = pathlib.Path
    parser.add_argument("--data", type=path, required=True, help="where the files are, or are made")
    parser.add_argument("--wharf", type=path, default=ROOT / "target/release/wharf")
    parser.add_argument("--scale", type=float, default=1.0)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--page", type=path, default=ROOT / "docs/benchmarks.md")
    options = parser.parse_args()
    before, found, rest = options.page.read_text().partition(BEGIN)
    _, ended, after = rest.partition(END)
    if not found or not ended:
        sys.exit(f"{options.page} has no marks for these figures")
    directory = options.data.resolve() / f"formats-{options.scale:g}"
    paths = files(directory, options.scale)
    work = directory / "work"
    remove(work)
    work.mkdir()
    warm(list(paths.values()))
    wharf = Wharf(options.wharf.resolve())
    duckdb = Package("duckdb", "DuckDB", "duckdb", "yes")
    try:
        # Small differences want more rounds, and no other program between them.
        runs = rounds(tolerant(wharf, paths), work, 3 * options.rounds)
        runs |= rounds(others(wharf, duckdb, paths), work, options.rounds)
    finally:
        remove(work)
    sizes = ", ".join(f"{kind} {file.stat().st_size / 1e6:.0f} MB" for kind, file in paths.items())
    told = machine(directory)
    heading = (f"lineitem at scale factor {options.scale:g}: {sizes}; {options.rounds} rounds "
               f"in turn, {3 * options.rounds} of CSV, on {told['date']}.\n"
               f"Machine: {told['processor']}; {told['memory']} of memory; {told['disk']}; "
               f"{told['kernel']}.\n"
               f"Versions: {wharf.version()}, {duckdb.version()}. All tables hold the same rows.")
    text, faults = page(runs, heading)
    options.page.write_text(before + BEGIN + text + END + after)
    print(text)
    if faults:
        sys.exit("; ".join(faults))


if __name__ == "__main__":
    main()
