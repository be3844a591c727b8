//! Tests that docs/sql.md holds the tables of options, settings and variables, and examples that run.

use super::fixture::Store;
use super::{
    CLUSTER_SETTINGS, Plan, dump_option_help, export_option_help, option_help, variable_help,
};
use crate::syntax;

/// The SQL reference.
const REFERENCE: &str = include_str!("../../docs/sql.md");

/// Returns what stands between the markers of `name`.
fn between(name: &str) -> &'static str {
    let begin = format!("<!-- begin: {name} -->\n");
    let end = format!("<!-- end: {name} -->");
    let start = REFERENCE.find(&begin).expect(name) + begin.len();
    let stop = REFERENCE.find(&end).expect(name);
    &REFERENCE[start..stop]
}

/// Checks that the reference holds a table, made of a head and rows.
fn check(name: &str, head: &[&str], rows: Vec<Vec<String>>) {
    let mut table = format!("| {} |\n|{}\n", head.join(" | "), "---|".repeat(head.len()));
    for row in rows {
        table += &format!("| {} |\n", row.join(" | ").replace("|  |", "| |"));
    }
    let held = between(name);
    assert!(held == table, "docs/sql.md, {name}: holds\n{held}\ninstead of\n{table}");
}

fn code(text: &str) -> String {
    format!("`{text}`")
}

#[test]
fn holds_the_options_of_import() {
    let rows = option_help()
        .into_iter()
        .map(|help| {
            let formats: Vec<&str> = help.formats.iter().map(|format| format.word()).collect();
            let formats = if formats.is_empty() { "all".to_owned() } else { formats.join(", ") };
            let (takes, default, doc) = (help.takes.into(), help.default.into(), help.doc.into());
            vec![code(help.name), formats, takes, default, doc]
        })
        .collect();
    check("import options", &["option", "formats", "takes", "default", "meaning"], rows);
}

#[test]
fn holds_the_options_of_dumps() {
    let rows = dump_option_help()
        .into_iter()
        .map(|help| vec![code(help.name), help.takes.into(), help.default.into(), help.doc.into()])
        .collect();
    check("dump options", &["option", "takes", "default", "meaning"], rows);
}

#[test]
fn holds_the_options_of_export() {
    let rows = export_option_help()
        .into_iter()
        .map(|help| vec![code(help.name), help.takes.into(), help.default.into(), help.doc.into()])
        .collect();
    check("export options", &["option", "takes", "default", "meaning"], rows);
}

#[test]
fn holds_the_cluster_settings() {
    let rows = CLUSTER_SETTINGS
        .iter()
        .map(|setting| {
            let default = format!("'{}'", setting.default);
            vec![code(setting.name), setting.kind.word().into(), code(&default), setting.doc.into()]
        })
        .collect();
    check("cluster settings", &["setting", "type", "default", "meaning"], rows);
}

#[test]
fn holds_the_session_variables() {
    let rows = variable_help()
        .into_iter()
        .map(|help| vec![code(help.name), code(help.default), help.doc.into()])
        .collect();
    check("session variables", &["variable", "default", "meaning"], rows);
}

#[test]
fn examples_run_from_top_to_bottom() {
    let mut store = Store::new("CREATE TABLE members (id INT8 PRIMARY KEY, name STRING, age INT8)");
    let mut count = 0;
    for block in REFERENCE.split("```sql\n").skip(1) {
        let block = block.split("```").next().expect("the block");
        for piece in syntax::split(block) {
            let plan = store.run(piece.text);
            assert!(!matches!(plan, Plan::NeedsFile(_)), "{}", piece.text);
            count += 1;
        }
    }
    assert!(count > 60, "{count} statements");
}
