//! Options of IMPORT, EXPORT and COPY: any text behind WITH is planned or refused, and an import is
//! planned the same from the description that its job keeps.

use std::sync::LazyLock;

use wharf::plan::{Import, Plan};
use wharf::source::{redact, redact_text};
use wharf::syntax::{parse, print};

use super::choices::Choices;
use super::planning::Planning;
use super::sql::require_sound;

static PLANNING: LazyLock<Planning> = LazyLock::new(Planning::new);

/// Statements up to their options, and what ends them.
const STATEMENTS: &[(&str, &str)] = &[
    ("IMPORT TABLE n (a INT8 PRIMARY KEY, b STRING) CSV DATA ('f') WITH temp = 't', ", ""),
    ("IMPORT TABLE n (a INT8 PRIMARY KEY, b STRING) CSV DATA ('f') WITH ", ""),
    ("IMPORT TABLE n (a INT8, b BYTES) DELIMITED DATA ('f') WITH temp = 't', ", ""),
    ("IMPORT TABLE n (a INT8, b BYTES) PGCOPY DATA ('f') WITH temp = 't', ", ""),
    ("IMPORT TABLE n (a INT8, b BYTES) NDJSON DATA ('f') WITH temp = 't', ", ""),
    ("IMPORT TABLE n (a INT8, b BYTES) AVRO DATA ('f') WITH temp = 't', ", ""),
    ("IMPORT TABLE n (a INT8, b BYTES) PARQUET DATA ('f') WITH temp = 't', ", ""),
    ("IMPORT INTO t CSV DATA ('f') WITH ", ""),
    ("IMPORT INTO t (b, a) DELIMITED DATA ('f') WITH ", ""),
    ("IMPORT PGDUMP 'f' WITH ", ""),
    ("IMPORT TABLE n FROM MYSQLDUMP 'f' WITH ", ""),
    ("EXPORT INTO CSV 'd' WITH ", " FROM TABLE t"),
    ("EXPORT INTO PARQUET 'd' WITH ", " FROM SELECT * FROM t"),
    ("EXPORT INTO JSON 'd' WITH ", " FROM TABLE t"),
    ("COPY t FROM 'f' WITH (", ")"),
    ("COPY t TO 'f' WITH (", ")"),
    ("COPY (SELECT a FROM t) TO STDOUT (", ")"),
];

/// Checks a list of options.
pub fn options(data: &[u8]) {
    let mut choices = Choices::new(data);
    let (head, end) = choices.one_of(STATEMENTS);
    let Ok(options) = std::str::from_utf8(choices.rest()) else { return };
    let text = format!("{head}{options}{end}");
    let planned = parse(&text).and_then(|statement| PLANNING.plan(&statement));
    match planned {
        Err(error) => require_sound(error, &text),
        Ok(planned) => {
            if let Plan::Import(import) = planned.plan {
                require_resumable(&text, &import);
            }
        }
    }
}

/// Checks that the description of an import means the same import, unless secrets were cut from it.
fn require_resumable(text: &str, import: &Import) {
    let Ok(statement) = parse(text) else { return };
    if redact_text(text) != text || print(&statement, &redact) != print(&statement, &str::to_owned)
    {
        return;
    }
    let described = &import.description;
    let again = parse(described).and_then(|statement| PLANNING.plan(&statement));
    let again = again.unwrap_or_else(|error| panic!("{text}\nis {described}\n{error:?}"));
    let Plan::Import(again) = again.plan else { panic!("{text}\nis {described}") };
    assert_eq!(again.format, import.format, "{text}\nis {described}");
    assert_eq!((&again.files, &again.temp), (&import.files, &import.temp), "{described}");
    assert_eq!(&again.description, described, "{text}");
}
