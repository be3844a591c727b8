"""The page: what the goals are, what was measured, and on which machine."""

import pathlib
import statistics
import sys
from collections.abc import Callable
from typing import Any, NamedTuple

BEGIN, END = "<!-- peers -->\n", "<!-- /peers -->\n"

Results = dict[str, Any]
Run = dict[str, float]
Value = Callable[[Run], float]


class Goal(NamedTuple):
    """A row of the table of goals, and whether the median is within the goal."""

    what: str
    limit: str
    measured: str
    cpu: str
    alone: str
    reached: bool


def wall(run: Run) -> float:
    """The wall time of the whole process."""
    return run["wall"]


def cpu(run: Run) -> float:
    """The CPU seconds of the whole process."""
    return run["cpu"]


def alone(run: Run) -> float:
    """The wall time without the start of Python."""
    return run["wall"] - run["start_wall"]


def size(run: Run) -> float:
    """The bytes of the database."""
    return run["size"]


def peak(run: Run) -> float:
    """The peak memory in MiB."""
    return run["peak"]


def spread(values: list[float], digits: int) -> str:
    """Writes a median with its least and its greatest value."""
    middle = statistics.median(values)
    return f"{middle:.{digits}f} ({min(values):.{digits}f} to {max(values):.{digits}f})"


def ratios(mine: list[Run], other: list[Run], value: Value) -> list[float]:
    """Returns the ratios of the runs of each round."""
    return [value(a) / value(b) for a, b in zip(mine, other, strict=False)]


class Page:
    """Writes what stands between the marks."""

    def __init__(self, results: Results) -> None:
        self.results = results
        self.goals: list[Goal] = []

    def runs(self, name: str) -> list[Run]:
        """Returns the runs of a subject; none if it was left out."""
        runs: list[Run] = self.results["subjects"].get(name, {"runs": []})["runs"]
        return runs

    def add(self, what: str, limit: float, values: list[float], cpu_values: list[float],
            alone_values: list[float] | None = None, shown: str = "{}") -> None:
        """Adds a goal; one that was not measured says so."""
        if not values:
            self.goals.append(Goal(what, f"{limit:g}", "not measured", "-", "-", True))
            return
        digits = 0 if limit > 100 else 1 if limit > 10 else 2
        self.goals.append(Goal(
            what, shown.format(f"{limit:.{digits}f}"), shown.format(spread(values, digits)),
            spread(cpu_values, 2) if cpu_values else "-",
            spread(alone_values, 2) if alone_values else "-",
            statistics.median(values) <= limit,
        ))

    def add_ratio(self, what: str, limit: float, mine: str, other: str) -> None:
        """Adds a goal for the wall time of one subject against another's."""
        pair = self.runs(mine), self.runs(other)
        from_python = any(run["start_wall"] for run in pair[1])
        self.add(what, limit, ratios(*pair, wall), ratios(*pair, cpu),
                 ratios(*pair, alone) if from_python else None)

    def add_index(self, column: str) -> None:
        """Adds the goal for what a secondary index adds."""
        pair = self.runs(f"wharf-{column.removeprefix('l_')}"), self.runs("wharf")
        self.add(f"INDEX ({column}) adds, of the plain import's time", 0.35,
                 [ratio - 1 for ratio in ratios(*pair, wall)],
                 [ratio - 1 for ratio in ratios(*pair, cpu)])

    def add_query(self, query: str, limit: float, other: str, against: str) -> None:
        """Adds the goal for a query."""
        times = self.results["times"]
        pairs = zip(times["wharf"][query], times.get(other, {}).get(query, []), strict=False)
        values = [a / b for a, b in pairs]
        self.add(f"{query} after the load, against {against}", limit, values, [])

    def add_ten(self) -> None:
        """Adds the goals for the ten-fold table."""
        ten = self.results.get("ten", {"one": [], "ten": []})
        pair = ten["ten"], ten["one"]
        self.add("ten times the rows, against once", 11, ratios(*pair, wall), ratios(*pair, cpu))
        # "The same", up to what two runs of one file differ by.
        most = max((run["peak"] for run in ten["ten"]), default=0)
        self.add("peak memory of ten times the rows"
                 + (f" ({most:.0f} MiB at most)" if most else "") + ", against once",
                 1.1, ratios(*pair, peak), [])

    def add_goals(self) -> None:
        """Adds all goals, in the order of the page."""
        no_key, same_key = "DuckDB without any key", "DuckDB with the same key"
        self.add_ratio(f"import, against {same_key}", 0.18, "wharf", "duckdb-key")
        self.add_ratio(f"import, against {no_key}", 0.29, "wharf", "duckdb")
        self.add_ratio("import, against ClickHouse MergeTree, which checks no key", 0.55,
                       "wharf", "chdb")
        cpu_ratios = ratios(self.runs("wharf"), self.runs("duckdb"), cpu)
        self.add(f"CPU seconds of the import, against {no_key}", 0.33, cpu_ratios, cpu_ratios)
        self.add_ratio(f"shuffled copy, against {same_key}", 0.30,
                       "wharf-shuffled", "duckdb-key-shuffled")
        self.add_ratio("shuffled copy, against ClickHouse", 1.30, "wharf-shuffled", "chdb-shuffled")
        self.add("peak memory, file in the order of the key", 256,
                 [run["peak"] for run in self.runs("wharf")], [], shown="{} MiB")
        self.add("peak memory, shuffled copy, `--memory 256MiB`", 448,
                 [run["peak"] for run in self.runs("wharf-shuffled")], [], shown="{} MiB")
        self.add(f"size of the database, against {no_key}", 0.95,
                 ratios(self.runs("wharf"), self.runs("duckdb"), size), [])
        self.add_ten()
        self.add_ratio("the same rows as 100 files, against one file", 1.1, "wharf-parts", "wharf")
        self.add_index("l_partkey")
        self.add_index("l_shipdate")
        for query, limit in (("COUNT(*)", 1.5), ("Q1", 2.8), ("Q6", 3.6)):
            self.add_query(query, limit, "duckdb", no_key)
        self.add_query("key lookup", 1.5, "duckdb-key", same_key)

    def goal_lines(self) -> list[str]:
        """Returns the table of goals."""
        self.add_goals()
        missed = [goal.what for goal in self.goals if not goal.reached]
        return [
            "### Against the goals", "",
            "| what | goal, at most | measured, median (least to most) | CPU seconds, ratio "
            "| wall without the start of Python |",
            "|---|---|---|---|---|",
            *(f"| {goal.what} | {goal.limit} | {goal.measured} | {goal.cpu} | {goal.alone} |"
              for goal in self.goals),
            "",
            f"Not reached: {'; '.join(missed)}." if missed else "All that was measured is reached.",
            *(["The goals are for scale factor 1."] if self.results["scale"] != 1 else []),
        ]

    def load_lines(self) -> list[str]:
        """Returns the table of all loads."""
        rows = []
        for subject in self.results["subjects"].values():
            runs = subject["runs"]
            start = statistics.median(run["start_wall"] for run in runs)
            most = max(run["peak"] for run in runs)
            floor = self.results["floor"] * 1.1
            rows.append(
                f"| {subject['label']} | {spread([run['wall'] for run in runs], 2)} "
                f"| {f'{start:.2f}' if start else '-'} "
                f"| {spread([run['cpu'] for run in runs], 2)} "
                f"| {f'{most:.0f}' if most > floor else f'below {floor:.0f}'} "
                f"| {statistics.median(run['size'] for run in runs) / 1e6:.0f} "
                f"| {subject['refuses']} | {subject['synced']} |"
            )
        return [
            "### All loads", "",
            "| what | wall s, median (least to most) | of it the start of Python "
            "| CPU s | peak MiB, most | size MB | key checked | synced |",
            "|---|---|---|---|---|---|---|---|",
            *rows,
        ]

    def query_lines(self) -> list[str]:
        """Returns the table of queries."""
        times: dict[str, dict[str, list[float]]] = self.results["times"]
        names = list(times["wharf"])
        rows = [
            f"| {self.results['subjects'][subject]['label']} | "
            + " | ".join(spread(found[name], 2) for name in names) + " |"
            for subject, found in times.items() if subject in self.results["subjects"]
        ]
        return [
            "### Queries after the load", "",
            "Milliseconds, warm; median of the rounds (least to most), of medians of up to seven:",
            "",
            f"| what | {' | '.join(names)} |",
            "|---|" + "---|" * len(names),
            *rows, "",
            f"`wharf DATABASE -e 'SELECT 1'` as a whole process takes "
            f"{spread(self.results['start_up'], 1)} ms.",
        ]

    def head_lines(self) -> list[str]:
        """Returns what was run, and where."""
        found, host = self.results, self.results["machine"]
        rounds = f"{found['rounds']} round{'s' if found['rounds'] > 1 else ''}"
        lines = [
            f"TPC-H lineitem at scale factor {found['scale']:g}: {found['rows']:,} rows, "
            f"{found['input'] / 1e6:.0f} MB of CSV; {rounds} in turn on {host['date']}, "
            f"{found['seconds']:.0f} seconds in all.",
            f"Machine: {host['processor']}; {host['memory']} of memory; {host['disk']}; "
            f"{host['kernel']}.",
            f"Versions: {', '.join(found['versions'])}.",
        ]
        if found["left_out"]:
            reasons = "; ".join(f"{name} ({why})" for name, why in found["left_out"].items())
            lines.append(f"Left out: {reasons}.")
        if found["disagreements"]:
            lines.append(f"**Not equal to Wharf's: {'; '.join(found['disagreements'])}.**")
        else:
            lines.append("All tables hold the same rows, by count, sums and extremes, and all "
                         "queries gave the same answers.")
        return lines

    def text(self, plot: str) -> str:
        """Returns all that stands between the marks."""
        parts = [
            self.head_lines(), [f"![Wall seconds of each load]({plot})"], self.goal_lines(),
            self.load_lines(), self.query_lines(),
        ]
        return "\n\n".join("\n".join(part) for part in parts) + "\n"


def check_page(path: pathlib.Path) -> None:
    """Ends with a clear line if the page cannot take the figures; hours before it has to."""
    try:
        text = path.read_text()
    except OSError as error:
        sys.exit(f"{path}: {error.strerror}")
    if text.count(BEGIN) != 1 or END not in text.partition(BEGIN)[2]:
        sys.exit(f"{path} has not the lines {BEGIN.strip()} and {END.strip()}, in this order")


def write(path: pathlib.Path, results: Results) -> None:
    """Writes the figures between the marks of the page."""
    before, _, rest = path.read_text().partition(BEGIN)
    after = rest.partition(END)[2]
    text = Page(results).text(path.with_suffix(".svg").name)
    path.write_text(f"{before}{BEGIN}{text}{END}{after}")
    print(text)
