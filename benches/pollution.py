#!/usr/bin/env python3
"""Scores how much of a polluted CSV file is still right in the table, after the measures of Pollock
(Vitagliano et al., PVLDB 16(8), 2023).

    cargo build --release
    python3 -m venv ~/peers && ~/peers/bin/pip install -r benches/peers/requirements.txt
    ~/peers/bin/python benches/pollution.py --data ~/peers/data

One table of 83 rows and 9 columns, made here, is written 2,290 times, each time with one pollution: other
delimiters, quotes, escapes or line ends, no header or several, a preamble, a second table, a delimiter
too many or too few in one row, a stray quote at the start of one cell. Each file is imported with
`lenient, on_error = 'skip'` and what is known of its form, and exported again. DuckDB reads the same
files by its CSV reader with the parameters that its authors used in that benchmark.

Told are ten measures between 0 and 1 per file, added up: success; precision, recall and F1 of the
header, the records and the cells. "simple" is the mean over all files, "weighted" the mean by how often
a pollution is met in practice. The header is printed for all files ("always"), or for those that have
one ("match"). The files are ours, not those of the benchmark: its published scores are no more than near.

    --line-ends crlf    ends lines as the benchmark's source does; lf otherwise
    --only wharf        leaves DuckDB out
"""

import argparse
import collections
import csv
import pathlib
import random
import shutil
import subprocess
import time

ROOT = pathlib.Path(__file__).resolve().parent.parent

HEADER = "Day,Time,Count,Product,Price,Kind,Description,Link,Comment".split(",")

QUOTED = (6, 7)
"""The columns that are in quotes always, as the header of them is."""

WORDS = (
    "a warm dry light rugged boot jacket lamp rope tent for rain snow wind that keeps you visible in "
    "poor weather and does not weigh much more than last year's women's kids' model with extra room"
).split()

WEIGHTS = {
    "no_payload": 15,
    "no_trailing_newline": 184,
    "double_trailing_newline": 5,
    "no_header": 470,
    "header_of_two_rows": 47,
    "header_of_three_rows": 47,
    "preamble": 282,
    "second_table_same": 62.67,
    "second_table_more": 62.67,
    "second_table_less": 62.67,
    "header_only": 3,
    "one_row": 4,
    "record_delimiter_cr": 7,
    "record_delimiter_lf": 1691,
    "delimiter_tab": 4,
    "delimiter_semicolon": 834,
    "delimiter_space": 4,
    "delimiter_comma_space": 101,
    "quote_apostrophe": 11,
    "escape_backslash": 1,
    "escape_none": 7,
    "delimiter_less": 0.36775,
    "delimiter_more": 0.36775,
    "stray_quote": 0.0034,
    "row_of_spaces": 0,
    "none": 1,
}
"""How often a pollution is met, by the survey of the benchmark; of each file of its group."""


def table():
    """Returns the rows of the table, the header first."""
    chance = random.Random(7)
    rows = [HEADER]
    for number in range(83):
        kind = " ".join(chance.choices(WORDS, k=3)).title()
        if number % 3 == 0:
            kind += ", " + chance.choice(WORDS)
        if number % 17 == 9:
            kind += f', {chance.randint(10, 60)}"'
        text = chance.choices(WORDS, k=chance.randint(12, 35))
        if number % 4 != 1:
            text[3] += ","
        description = " ".join(text).capitalize() + "."
        if number == 11:
            description = "8\\'9\" long, " + description
        product = f"{chance.choice('ABCD')}{chance.choice('EFGH')}-{chance.randint(1000, 9999)}"
        rows.append([
            f"{13 + number % 18:02}/{1 + number // 14:02}/2018",
            f"{number // 4 % 24:02}:{15 * (number % 4):02}",
            str(chance.randint(0, 30)),
            product,
            f"${chance.randint(0, 99)}.{chance.randint(0, 99):02}",
            kind,
            description,
            f"https://www.example.com/{product}.html",
            "",
        ])
    return rows


class Corpus:
    """The polluted files, each with the table that it should be and what is told of its form."""

    def __init__(self, place, line_end):
        self.place, self.line_end = place, line_end
        self.files = []
        shutil.rmtree(place, ignore_errors=True)
        place.mkdir(parents=True)
        self.rows = table()

    def cells(self, delimiter=",", quote='"', escape='"'):
        """Returns the cells of all rows as they are written."""

        def cell(column, value):
            if column in QUOTED or any(mark in value for mark in (",", '"', delimiter.strip() or ",")):
                return quote + value.replace('"', escape + '"') + quote
            return value

        return [[cell(at, value) for at, value in enumerate(row)] for row in self.rows]

    def text(self, rows, delimiter=",", line_end=None):
        """Returns rows of written cells as a file."""
        return "".join(delimiter.join(row) + (line_end or self.line_end) for row in rows)

    def add(self, group, text, truth, **told):
        """Adds a file; `told` is what differs from the usual form."""
        name = f"{len(self.files)}.csv"
        (self.place / name).write_text(text, newline="")
        form = {"delimiter": ",", "quote": '"', "escape": '"', "header": 1, "preamble": 0,
                "names": HEADER} | told
        self.files.append((group, name, truth, form))

    def fill(self):
        """Makes all files."""
        rows, plain = self.rows, self.cells()
        text = self.text(plain)
        self.add("none", text, rows)
        self.add("no_payload", "", [], header=0, names=["col_0"])
        self.add("no_trailing_newline", text.removesuffix(self.line_end), rows)
        self.add("double_trailing_newline", text + self.line_end, rows)
        self.add("no_header", self.text(plain[1:]), rows[1:], header=0,
                 names=[f"col_{at}" for at in range(9)])
        for word, count in (("two", 2), ("three", 3)):
            names = [" ".join([name] * count) for name in HEADER]
            self.add(f"header_of_{word}_rows", self.text(plain[:1] * (count - 1) + plain),
                     [names] + rows[1:], header=count, names=names)
        self.add("preamble", self.text([["PREAMBLE"] + [""] * 8, [""] * 9] + plain), rows, preamble=2)
        for word, width in (("same", 9), ("more", 10), ("less", 8)):
            second = [(row + ["" if at else "more"])[:width] for at, row in enumerate(plain)]
            self.add(f"second_table_{word}", text + self.text(second), rows)
        self.add("header_only", self.text(plain[:1]), rows[:1])
        self.add("one_row", self.text(plain[:2]), rows[:2])
        self.add("record_delimiter_cr", self.text(plain, line_end="\r"), rows)
        self.add("record_delimiter_lf", self.text(plain, line_end="\n"), rows)
        for word, mark in (("tab", "\t"), ("semicolon", ";"), ("space", " "), ("comma_space", ", ")):
            self.add(f"delimiter_{word}", self.text(self.cells(mark), mark), rows, delimiter=mark)
        self.add("quote_apostrophe", self.text(self.cells(quote="'")), rows, quote="'")
        self.add("escape_backslash", self.text(self.cells(escape="\\")), rows, escape="\\")
        self.add("escape_none", self.text(self.cells(escape="")), rows)
        for at in range(len(rows)):
            self.fill_row(at, plain)

    def fill_row(self, at, plain):
        """Makes the files whose row `at` is polluted."""

        def polluted(row, truth, group):
            self.add(group, self.text(plain[:at] + [row] + plain[at + 1:]),
                     self.rows[:at] + [truth] + self.rows[at + 1:])

        row, truth = plain[at], self.rows[at]
        for column in range(len(row)):
            before, cell, after = row[:column], row[column], row[column + 1:]
            stray = '""' + cell[1:] if cell.startswith('"') else '"' + cell
            polluted(before + [stray] + after,
                     truth[:column] + ['"' + truth[column]] + truth[column + 1:], "stray_quote")
            polluted(before + [""] + row[column:], truth[:column] + [""] + truth[column:],
                     "delimiter_more")
            if column:
                polluted(before[:-1] + [before[-1] + cell] + after, truth, "delimiter_less")
        polluted([" ".join(row)], truth, "row_of_spaces")


def literal(text):
    """Returns a text as a literal of SQL."""
    return "'" + text.replace("'", "''") + "'"


def load_by_wharf(corpus, program):
    """Imports and exports each file; returns the tables that came back, by name."""
    out = corpus.place / "out"
    shutil.rmtree(out, ignore_errors=True)
    shutil.rmtree(corpus.place / "database", ignore_errors=True)
    lines = ["SET CLUSTER SETTING experimental.importcsv.enabled = true;"]
    for _, name, _, form in corpus.files:
        columns = ", ".join('"{}" STRING'.format(column) for column in form["names"])
        options = [f"delimiter = {literal(form['delimiter'])}", "lenient", "on_error = 'skip'",
                   f"skip = '{form['header'] + form['preamble']}'", "temp = 'tmp'"]
        if form["quote"] != '"':
            options.append(f"quote = {literal(form['quote'])}")
        if form["escape"] != '"':
            options.append(f"escape = {literal(form['escape'])}")
        lines += [
            f"IMPORT TABLE t ({columns}) CSV DATA ({literal(name)}) WITH {', '.join(options)};",
            f"EXPORT INTO CSV 'out' WITH header, nullas = '', filename = {literal(name)} FROM TABLE t;",
            "DROP TABLE IF EXISTS t;",
        ]
    (corpus.place / "run.sql").write_text("\n".join(lines))
    command = [program, "database", "-f", "run.sql", "--no-errexit", "-q"]
    done = subprocess.run(command, cwd=corpus.place, capture_output=True, text=True, check=False)
    (corpus.place / "wharf.log").write_text(done.stdout + done.stderr)
    return {name: read(out / name) for _, name, _, _ in corpus.files if (out / name).exists()}


def load_by_duckdb(corpus):
    """Reads each file by DuckDB; returns the tables, by name."""
    import duckdb

    loaded = {}
    for _, name, _, form in corpus.files:
        with duckdb.connect() as connection:
            try:
                relation = connection.read_csv(
                    str(corpus.place / name), delimiter=form["delimiter"], quotechar=form["quote"],
                    escapechar=form["escape"], skiprows=form["header"] + form["preamble"],
                    header=False, columns={column: "VARCHAR" for column in form["names"]},
                    auto_detect=False, strict_mode=False, ignore_errors=True, null_padding=True,
                    parallel=False)
                rows = [["" if cell is None else cell for cell in row] for row in relation.fetchall()]
            except duckdb.Error:
                continue
        loaded[name] = [form["names"]] + rows
    return loaded


def without_made_up_headers(corpus, loaded):
    """Returns the tables without the header where the file has none."""
    bare = {name for _, name, _, form in corpus.files if not form["header"]}
    return {name: rows[1:] if name in bare else rows for name, rows in loaded.items()}


def read(path):
    """Returns the rows of a CSV file."""
    with path.open(newline="", encoding="utf-8") as file:
        return list(csv.reader(file))


def alike(cell):
    """Returns a cell so that the same number or word, written in another way, is equal."""
    number = cell.strip().removeprefix("$")
    try:
        return str(float(number))
    except ValueError:
        return cell.lower()


def overlap(wanted, found):
    """Returns precision, recall and F1 of two bags."""
    if not wanted:
        return [1, 1, 1]
    both = sum((collections.Counter(wanted) & collections.Counter(found)).values())
    if not both:
        return [0, 0, 0]
    precision, recall = both / len(wanted), both / len(found)
    return [precision, recall, 2 * precision * recall / (precision + recall)]


def score(truth, rows):
    """Returns the sum of the ten measures of one file."""
    if rows is None:
        return 0
    if not truth:
        return 10
    head = [[alike(cell) for cell in part[0]] if part else [] for part in (truth, rows)]
    records = [["".join(map(alike, row)) for row in part[1:] if row] for part in (truth, rows)]
    cells = [[cell for row in part for cell in row] for part in (truth, rows)]
    return 1 + sum(overlap(*head)) + sum(overlap(*records)) + sum(overlap(*cells))


def report(corpus, results):
    """Prints the scores of each system, and of each group where one is not perfect."""
    groups = collections.defaultdict(lambda: collections.defaultdict(list))
    for system, loaded in results.items():
        simple = weighted = weights = success = 0
        for group, name, truth, _ in corpus.files:
            points = score(truth, loaded.get(name))
            groups[group][system].append(points)
            simple += points
            weighted += points * WEIGHTS[group]
            weights += WEIGHTS[group]
            success += name in loaded
        count = len(corpus.files)
        print(f"{system:16} simple {simple / count:.4f}  weighted {weighted / weights:.4f}  "
              f"success {success} of {count}")
    print(f"\n{'group':24} files " + " ".join(f"{system:>15}" for system in results))
    for group, systems in sorted(groups.items()):
        means = [sum(points) / len(points) for points in systems.values()]
        if min(means) < 9.99995:
            files = len(next(iter(systems.values())))
            print(f"{group:24} {files:5} " + " ".join(f"{mean:15.3f}" for mean in means))


def main():
    """Makes the files, loads them, and prints the scores."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n\n")[0])
    parser.add_argument("--data", type=pathlib.Path, required=True)
    parser.add_argument("--wharf", type=pathlib.Path, default=ROOT / "target/release/wharf")
    parser.add_argument("--line-ends", choices=["lf", "crlf"], default="lf")
    parser.add_argument("--only", choices=["wharf"])
    arguments = parser.parse_args()
    corpus = Corpus(arguments.data / "pollution", {"lf": "\n", "crlf": "\r\n"}[arguments.line_ends])
    corpus.fill()
    results = {}
    started = time.monotonic()
    results["wharf always"] = load_by_wharf(corpus, arguments.wharf.resolve())
    print(f"wharf took {time.monotonic() - started:.0f} s")
    if not arguments.only:
        results["duckdb always"] = load_by_duckdb(corpus)
    for system, loaded in list(results.items()):
        results[system.replace("always", "match")] = without_made_up_headers(corpus, loaded)
    report(corpus, results)


if __name__ == "__main__":
    main()
