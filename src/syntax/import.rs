//! IMPORT TABLE, IMPORT INTO and the imports of dumps.

use super::ast::{
    Ident, ImportDump, ImportInto, ImportSchema, ImportTable, OptionPair, Statement, Value,
    ValueKind,
};
use super::dialect::{Node, Rule};
use super::element::elements;
use super::error::syntax_error;
use super::literal::{quote_ident, quote_literal};
use super::scan::Scanned;
use super::statement::user_ident;
use crate::error::{Result, Span};

/// Reads an IMPORT TABLE.
pub(super) fn import_table(scanned: &Scanned<'_>, node: &Node<'_>) -> Result<Statement> {
    let schema = match node.find(Rule::import_file) {
        Some(file) => {
            let value = file.require(Rule::value)?.value()?;
            ImportSchema::File(text_value(scanned, value, quote_literal)?)
        }
        None => ImportSchema::Elements(elements(scanned, &node.require(Rule::element_list)?)?),
    };
    Ok(Statement::ImportTable(ImportTable {
        table: node.table_name()?,
        schema,
        format: format(node)?,
        files: files(scanned, node)?,
        options: options(scanned, &node.require(Rule::opt_with)?)?,
    }))
}

/// Reads an IMPORT INTO.
pub(super) fn import_into(scanned: &Scanned<'_>, node: &Node<'_>) -> Result<Statement> {
    Ok(Statement::ImportInto(ImportInto {
        table: node.table_name()?,
        columns: node.find(Rule::opt_name_list).map(|list| list.name_list()).unwrap_or_default(),
        format: format(node)?,
        files: files(scanned, node)?,
        options: options(scanned, &node.require(Rule::opt_with)?)?,
    }))
}

fn format(node: &Node<'_>) -> Result<Ident> {
    let format = node.require(Rule::import_format)?;
    Ok(Ident { value: format.text().to_ascii_uppercase(), span: format.span() })
}

fn files(scanned: &Scanned<'_>, node: &Node<'_>) -> Result<Vec<Value>> {
    node.require(Rule::file_list)?
        .all(Rule::value)
        .map(|file| text_value(scanned, file.value()?, quote_literal))
        .collect()
}

/// Reads the import of a dump.
pub(super) fn import_dump(scanned: &Scanned<'_>, node: &Node<'_>) -> Result<Statement> {
    let files = match node.find(Rule::value) {
        Some(file) => vec![text_value(scanned, file.value()?, quote_literal)?],
        None => files(scanned, node)?,
    };
    Ok(Statement::ImportDump(ImportDump {
        table: node.find(Rule::table_name).map(|name| name.object_name()).transpose()?,
        bundle: format(node)?,
        files,
        options: options(scanned, &node.require(Rule::opt_with)?)?,
    }))
}

/// Tells whether the IMPORT at token `index` is one of a dump.
pub(super) fn is_dump(scanned: &Scanned<'_>, index: usize) -> bool {
    let is_bundle = |at| scanned.is_word(at, "PGDUMP") || scanned.is_word(at, "MYSQLDUMP");
    if !scanned.is_word(index + 1, "TABLE") {
        return is_bundle(index + 1);
    }
    // The table's name has three parts at most, with dots between them.
    let mut froms = (index + 3..index + 8).step_by(2);
    froms.find(|at| scanned.is_word(*at, "FROM")).is_some_and(|from| is_bundle(from + 1))
}

/// Reads the options of a WITH clause, which may be empty.
pub(super) fn options(scanned: &Scanned<'_>, with: &Node<'_>) -> Result<Vec<OptionPair>> {
    let Some(pairs) = with.find(Rule::option_pairs) else { return Ok(Vec::new()) };
    pairs.all(Rule::option_pair).map(|pair| option_pair(scanned, &pair)).collect()
}

fn option_pair(scanned: &Scanned<'_>, pair: &Node<'_>) -> Result<OptionPair> {
    let key = user_ident(&pair.require(Rule::option_key)?)?;
    let Some(value) = pair.find(Rule::value) else { return Ok(OptionPair { key, value: None }) };
    let quoted = |number: &str| format!("{} = '{number}'", quote_ident(&key.value));
    let value = text_value(scanned, value.value()?, quoted)?;
    Ok(OptionPair { key, value: Some(value) })
}

/// Refuses a number, where only a string, a word or a placeholder can stand; `quoted` shows how to
/// write it.
pub(super) fn text_value(
    scanned: &Scanned<'_>,
    value: Value,
    quoted: impl Fn(&str) -> String,
) -> Result<Value> {
    if value.kind != ValueKind::Number {
        return Ok(value);
    }
    let Span { start, .. } = value.span;
    Err(syntax_error(scanned, start, "a string, word or placeholder")
        .hint(format!("Put the number in quotes: {}.", quoted(&value.text))))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::syntax::parse;

    fn import(text: &str) -> ImportTable {
        match parse(text) {
            Ok(Statement::ImportTable(import)) => import,
            other => panic!("{text}: {other:?}"),
        }
    }

    #[test]
    fn reads_both_forms() {
        let import_ = import(
            "import table Foo create using 'x.sql' csv data ('a', $1, b) \
             with Temp = e'\\t', \"Nullif\" = \"X\", detached, compression = GZIP",
        );
        assert_eq!(import_.table.parts[0].value, "foo");
        assert_eq!(import_.format.value, "CSV");
        let kinds: Vec<_> = import_.files.iter().map(|file| file.kind).collect();
        assert_eq!(kinds, [ValueKind::String, ValueKind::Placeholder, ValueKind::Word]);
        let pairs: Vec<_> = import_
            .options
            .iter()
            .map(|pair| {
                (pair.key.value.as_str(), pair.value.as_ref().map(|value| value.text.as_str()))
            })
            .collect();
        assert_eq!(
            pairs,
            [
                ("temp", Some("\t")),
                ("Nullif", Some("X")),
                ("detached", None),
                ("compression", Some("gzip"))
            ]
        );
        let import = import("IMPORT TABLE d.s.t (id INT8, INDEX i (id)) CSV DATA ('a')");
        assert!(matches!(import.schema, ImportSchema::Elements(elements) if elements.len() == 2));
        assert!(import.options.is_empty());
    }

    #[test]
    fn reads_options_in_parentheses_and_an_option_of_that_name() {
        let import_ = import("IMPORT TABLE t (a INT) CSV DATA ('a') WITH OPTIONS (a, b = 'c')");
        assert_eq!(import_.options.len(), 2);
        let import = import("IMPORT TABLE t (a INT) CSV DATA ('a') WITH options = 'c'");
        assert_eq!(import.options[0].key.value, "options");
    }

    #[test]
    fn reads_the_columns_of_import_into() {
        let parsed =
            parse("import into D.t (A, \"B\") csv data ('a', $1) with skip = '1'").unwrap();
        let Statement::ImportInto(import) = parsed else { panic!("{parsed:?}") };
        let columns: Vec<&str> = import.columns.iter().map(|one| one.value.as_str()).collect();
        assert_eq!(columns, ["a", "B"]);
        assert_eq!((import.files.len(), import.options.len()), (2, 1));
        assert_eq!(import.format.value, "CSV");
        let parsed = parse("IMPORT INTO t CSV DATA ('a')").unwrap();
        let Statement::ImportInto(import) = parsed else { panic!("{parsed:?}") };
        assert!(import.columns.is_empty() && import.options.is_empty());
    }

    #[test]
    fn asks_to_quote_numbers() {
        let error =
            parse("IMPORT TABLE t (a INT) CSV DATA ('a') WITH temp = 'x', skip = 2").unwrap_err();
        assert_eq!(
            error.message(),
            "at or near \"2\": syntax error: expected a string, word or placeholder"
        );
        assert_eq!(error.hint_text(), Some("Put the number in quotes: skip = '2'."));
    }

    #[test]
    fn reads_imports_of_dumps() {
        for (text, printed) in [
            ("import pgdump ('a') with temp = 'x'", "IMPORT PGDUMP 'a' WITH temp = 'x'"),
            ("IMPORT MYSQLDUMP a.sql", ""),
            ("IMPORT MYSQLDUMP $1", "IMPORT MYSQLDUMP $1"),
            ("IMPORT PGDUMP ('a', 'b')", "IMPORT PGDUMP ('a', 'b')"),
            ("IMPORT TABLE a.b FROM MYSQLDUMP 'a'", "IMPORT TABLE a.b FROM MYSQLDUMP 'a'"),
            ("IMPORT PGDUMP WITH temp = 'x'", ""),
        ] {
            match parse(text) {
                Ok(statement) => {
                    assert_eq!(crate::syntax::print(&statement, &str::to_owned), printed);
                }
                Err(_) => assert_eq!("", printed, "{text}"),
            }
        }
    }
}
