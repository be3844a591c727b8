"""The rounds: every subject is loaded in turn, then every database is asked in turn."""

import argparse
import dataclasses
import pathlib
import shutil
import statistics
import subprocess
import sys
import time
from dataclasses import dataclass
from decimal import Decimal, InvalidOperation
from typing import Any

import workload
from measure import ProcessFailed, Run, machine, own_peak, remove, warm
from peers import Load, Package, Peer, Postgres, Sqlite, Wharf

HERE = pathlib.Path(__file__).resolve().parent

REPEATS = 7
"""How often a query is repeated after a first, cold run."""


@dataclass(frozen=True)
class Subject:
    """One row of the page: a peer, what it loads, and whether its database is asked afterwards."""

    name: str
    peer: str
    label: str
    load: Load
    asked: bool = False


def subjects(files: workload.Files) -> list[Subject]:
    """Returns all that is loaded, in the order of a round: what is compared stands together."""
    plain, shuffled = tuple(files.plain), tuple(files.shuffled)
    return [
        Subject("wharf-one-thread", "wharf", "Wharf, --threads 1", Load(plain, threads=1)),
        Subject("wharf-partkey", "wharf", "Wharf, INDEX (l_partkey)",
                Load(plain, index="l_partkey")),
        Subject("wharf-shipdate", "wharf", "Wharf, INDEX (l_shipdate)",
                Load(plain, index="l_shipdate")),
        Subject("wharf-parts", "wharf", "Wharf, 100 files", Load(tuple(files.parts))),
        Subject("wharf", "wharf", "Wharf", Load(plain), asked=True),
        Subject("duckdb", "duckdb", "DuckDB, no key", Load(plain, key=False), asked=True),
        Subject("duckdb-key", "duckdb", "DuckDB, same key", Load(plain), asked=True),
        Subject("chdb", "chdb", "ClickHouse, MergeTree", Load(plain), asked=True),
        Subject("polars", "polars", "polars, to Parquet", Load(plain, key=False), asked=True),
        Subject("wharf-shuffled", "wharf", "Wharf, shuffled", Load(shuffled, memory="256MiB")),
        Subject("duckdb-key-shuffled", "duckdb", "DuckDB, same key, shuffled", Load(shuffled)),
        Subject("chdb-shuffled", "chdb", "ClickHouse, shuffled", Load(shuffled)),
        Subject("sqlite", "sqlite", "SQLite, same key", Load(plain), asked=True),
        Subject("postgres", "postgres", "PostgreSQL, same key", Load(plain), asked=True),
    ]


def say(text: str) -> None:
    """Tells what is going on."""
    print(text, file=sys.stderr, flush=True)


class Bench:
    """One run of the whole: rounds of loads, then rounds of queries."""

    def __init__(self, options: argparse.Namespace) -> None:
        self.options = options
        self.files = workload.Files(options.data / f"scale-{options.scale:g}")
        self.peers: dict[str, Peer] = {
            "wharf": Wharf(options.wharf),
            "duckdb": Package("duckdb", "DuckDB", "duckdb", "yes"),
            "chdb": Package("chdb", "ClickHouse (chdb-core)", "chdb-core", "no"),
            "polars": Package("polars", "polars", "polars", "no"),
            "sqlite": Sqlite(),
            "postgres": Postgres(),
        }
        self.left_out: dict[str, str] = {}
        self.subjects: list[Subject] = []
        self.runs: dict[str, list[Run]] = {}
        self.refuses: dict[str, str] = {}
        self.checks: dict[str, list[list[str]]] = {}
        self.times: dict[str, dict[str, list[float]]] = {}
        self.answers: dict[str, dict[str, list[list[str]]]] = {}

    def choose(self) -> None:
        """Finds out which peers are there; without Wharf there is nothing to do."""
        for name, peer in self.peers.items():
            missing = peer.missing()
            if missing and name == "wharf":
                sys.exit(missing)
            if name != "wharf" and name not in self.options.peers:
                self.left_out[name] = "not asked for"
            elif missing:
                self.left_out[name] = "not installed"
                say(f"{name} is left out: {missing}")
        self.subjects = [subject for subject in subjects(self.files)
                         if subject.peer not in self.left_out]

    def make_files(self) -> None:
        """Makes the files that are missing, in a process of its own, and reads them once."""
        missing = not self.files.directory.exists()
        need_room(self.options.data, 2.4 * self.options.scale * missing)
        need_room(self.options.work, 4.5 * self.options.scale + 0.3)
        if missing:
            say("making the files")
            words = [sys.executable, str(HERE / "workload.py"), str(self.files.directory),
                     str(self.options.scale)]
            if subprocess.run(words, check=False).returncode != 0:
                sys.exit("the files could not be made")
        warm(self.files.all())

    def database(self, subject: Subject) -> pathlib.Path:
        """Returns where a subject's database lies."""
        work: pathlib.Path = self.options.work
        return work / subject.name

    def drop(self, subject: Subject, failure: ProcessFailed) -> None:
        """Goes on without a peer that failed; Wharf must not."""
        if subject.peer == "wharf":
            sys.exit(f"{subject.label}: {failure}")
        say(f"{subject.label} is left out: {failure}")
        self.left_out[subject.name] = "it failed"
        self.subjects.remove(subject)
        self.runs.pop(subject.name, None)

    def run_loads(self) -> None:
        """Does all rounds of loads; round 0 warms the disk and does not count."""
        for number in range(self.options.rounds + 1):
            for subject in list(self.subjects):
                try:
                    self.run_load(subject, number)
                except ProcessFailed as failure:
                    self.drop(subject, failure)

    def run_load(self, subject: Subject, number: int) -> None:
        """Loads once; round 0 also probes the key, the last one checks the rows."""
        peer, database = self.peers[subject.peer], self.database(subject)
        if number == 0:
            self.refuses[subject.name] = self.probe_key(subject)
            if peer.slow:
                return
        run = peer.load(subject.load, database)
        say(f"round {number}: {subject.label}: {run.wall:.2f} s, {run.cpu:.2f} CPU s, "
            f"{run.peak:.0f} MiB, {run.size / 1e6:.0f} MB")
        if number > 0:
            self.runs.setdefault(subject.name, []).append(run)
        if number == self.options.rounds:
            answers = peer.ask(database, {"check": workload.CHECK}, 1)
            self.checks[subject.name] = answers["check"].rows
        if number < self.options.rounds or not subject.asked:
            remove(database)

    def probe_key(self, subject: Subject) -> str:
        """Loads three rows of which two have one key: returns whether that is refused."""
        peer, database = self.peers[subject.peer], self.options.work / "probe"
        load = dataclasses.replace(subject.load, files=tuple(self.files.twice))
        try:
            peer.load(load, database)
            rows = peer.ask(database, {"count": "SELECT count(*) FROM lineitem"}, 1)["count"].rows
            return {"2": "yes", "3": "no"}.get(rows[0][0], f"{rows[0][0]} of 3 rows")
        except ProcessFailed as failure:
            if not any(word in str(failure).lower() for word in ("duplicate", "unique")):
                raise
            return "yes"
        finally:
            remove(database)

    def run_queries(self) -> None:
        """Asks all databases in turn, once per round; slow peers only in the first."""
        queries = workload.queries(self.options.scale)
        for number in range(self.options.rounds):
            for subject in list(self.subjects):
                peer = self.peers[subject.peer]
                if not subject.asked or (peer.slow and number > 0):
                    continue
                try:
                    answers = peer.ask(self.database(subject), queries, REPEATS)
                except ProcessFailed as failure:
                    self.drop(subject, failure)
                    continue
                times = self.times.setdefault(subject.name, {})
                for name, answer in answers.items():
                    times.setdefault(name, []).append(statistics.median(answer.milliseconds))
                self.answers[subject.name] = {name: answer.rows for name, answer in answers.items()}
                say(f"queries {number + 1}: {subject.label}: "
                    + ", ".join(f"{name} {found[-1]:.2f} ms" for name, found in times.items()))

    def disagreements(self) -> list[str]:
        """Returns where tables or answers differ from Wharf's."""
        found = [f"the table of {self.label(name)}" for name, rows in self.checks.items()
                 if not same(rows, self.checks["wharf"], 1e-9)]
        for name, answers in self.answers.items():
            found += [f"{query} of {self.label(name)}" for query, rows in answers.items()
                      if not same(rows, self.answers["wharf"][query], 1e-6)]
        return found

    def label(self, name: str) -> str:
        """Returns how the page names a subject."""
        return next(subject.label for subject in subjects(self.files) if subject.name == name)

    def results(self, seconds: float) -> dict[str, Any]:
        """Returns all figures, for the page."""
        wharf = self.peers["wharf"]
        assert isinstance(wharf, Wharf)
        return {
            "scale": self.options.scale,
            "rounds": self.options.rounds,
            "rows": int(self.checks["wharf"][0][0]),
            "input": sum(path.stat().st_size for path in self.files.plain),
            "seconds": seconds,
            "machine": machine(self.options.work),
            "floor": own_peak(),
            "versions": [peer.version() for name, peer in self.peers.items()
                         if name not in self.left_out],
            "left_out": self.left_out,
            "disagreements": self.disagreements(),
            "subjects": {
                subject.name: {
                    "label": subject.label,
                    "refuses": self.refuses[subject.name],
                    "synced": self.peers[subject.peer].synced,
                    "runs": [dataclasses.asdict(run) for run in self.runs[subject.name]],
                }
                for subject in self.subjects
            },
            "times": self.times,
            "start_up": wharf.start_up(self.options.work / "wharf", 15),
        }

    def run(self) -> dict[str, Any]:
        """Does everything but the page."""
        started = time.perf_counter()
        self.choose()
        try:
            self.make_files()
            self.run_loads()
            self.run_queries()
            return self.results(time.perf_counter() - started)
        finally:
            for peer in self.peers.values():
                peer.close()
            remove(self.options.work)

    def run_ten(self) -> dict[str, list[dict[str, float]]]:
        """Loads the table and the ten-fold one with Wharf alone, in turn, twice."""
        self.options.peers = []
        self.choose()
        need_room(self.options.data, 7.9 * self.options.scale)
        need_room(self.options.work, 2.5 * self.options.scale + 0.3)
        wharf, directory = self.peers["wharf"], self.options.data / "ten"
        database = self.options.work / "ten"
        runs: dict[str, list[dict[str, float]]] = {"one": [], "ten": []}
        try:
            self.make_files()
            remove(directory)
            directory.mkdir()
            say("making the ten-fold file")
            workload.generate(directory, self.options.scale * 10)
            ten = [directory / "lineitem.csv"]
            for number in range(2):
                for name, files in {"one": self.files.plain, "ten": ten}.items():
                    warm(files)
                    run = wharf.load(Load(tuple(files)), database)
                    say(f"round {number + 1}: {name}: {run.wall:.2f} s, {run.cpu:.2f} CPU s, "
                        f"{run.peak:.0f} MiB, {run.size / 1e6:.0f} MB")
                    runs[name].append(dataclasses.asdict(run))
        except ProcessFailed as failure:
            sys.exit(f"Wharf: {failure}")
        finally:
            remove(directory)
            remove(self.options.work)
        return runs


def same(left: list[list[str]], right: list[list[str]], tolerance: float) -> bool:
    """Returns whether rows are equal, numbers up to a relative difference."""
    return [len(row) for row in left] == [len(row) for row in right] and all(
        same_value(a, b, tolerance)
        for one, other in zip(left, right, strict=True)
        for a, b in zip(one, other, strict=True)
    )


def same_value(left: str, right: str, tolerance: float) -> bool:
    """Returns whether two texts stand for one value."""
    try:
        a, b = Decimal(left), Decimal(right)
    except InvalidOperation:
        return left == right
    return abs(a - b) <= Decimal(tolerance) * max(abs(a), abs(b))


def need_room(directory: pathlib.Path, gigabytes: float) -> None:
    """Ends with a clear line if a disk has not room enough."""
    directory.mkdir(parents=True, exist_ok=True)
    free = shutil.disk_usage(directory).free / 1e9
    if free < gigabytes:
        sys.exit(f"{directory} has {free:.1f} GB free, and {gigabytes:.1f} GB are needed; "
                 "choose another --data or --work, or a smaller --scale")
