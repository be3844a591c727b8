//! COPY: a table or query, a direction, a place, and options in either of PostgreSQL's forms.

use super::ast::{
    Copy, CopyOption, CopyPlace, CopySource, CopyValue, Ident, Statement, Value, ValueKind,
};
use super::dialect::{Node, Rule, not_supported};
use super::query::parse_query;
use super::scan::Scanned;
use super::statement::user_ident;
use crate::error::{Error, Result};

/// Reads a COPY.
pub(super) fn copy(scanned: &Scanned<'_>, node: &Node<'_>) -> Result<Statement> {
    let from = node.has(Rule::kw_from);
    let source = match node.find(Rule::copy_query) {
        Some(query) => {
            let span = query.require(Rule::inner_expression)?.span();
            CopySource::Query(parse_query(scanned, span.start..span.end)?)
        }
        None => CopySource::Table {
            name: node.table_name()?,
            columns: node
                .find(Rule::opt_insert_columns)
                .map(|list| list.name_list())
                .unwrap_or_default(),
        },
    };
    if let Some(filter) = node.find(Rule::opt_copy_where).filter(|it| !it.text().is_empty()) {
        return Err(not_supported("COPY ... WHERE", filter.span())
            .hint("Copy all rows, then delete those that are not wanted."));
    }
    Ok(Statement::Copy(Copy {
        source,
        from,
        place: place(&node.require(Rule::copy_place)?)?,
        options: options(&node.require(Rule::opt_copy_options)?)?,
    }))
}

fn place(node: &Node<'_>) -> Result<CopyPlace> {
    let inner = node.children().next().ok_or_else(|| Error::internal("COPY names no place"))?;
    Ok(match inner.rule() {
        Rule::kw_stdin => CopyPlace::Stdin(inner.span()),
        Rule::kw_stdout => CopyPlace::Stdout(inner.span()),
        Rule::kw_program => CopyPlace::Program(node.span()),
        _ => CopyPlace::File(inner.value()?),
    })
}

fn options(node: &Node<'_>) -> Result<Vec<CopyOption>> {
    let new = node.all(Rule::copy_option).map(|option| new_option(&option));
    let old = node.all(Rule::copy_old_option).map(|option| old_option(&option));
    new.chain(old).collect()
}

/// Reads an option in parentheses: `FORMAT csv`, `FORCE_QUOTE (a, b)`, `HEADER`.
fn new_option(node: &Node<'_>) -> Result<CopyOption> {
    let name = user_ident(&node.require(Rule::option_key)?)?;
    let value = match node.find(Rule::copy_value).and_then(|value| value.children().next()) {
        None => CopyValue::None,
        Some(value) => match value.rule() {
            Rule::star => CopyValue::All,
            Rule::name_list => {
                CopyValue::Columns(value.all(Rule::name).map(|name| name.ident()).collect())
            }
            _ => CopyValue::Value(value.value()?),
        },
    };
    Ok(CopyOption { name, value })
}

/// Reads an option of the form before PostgreSQL 9.0 as the one that it means since.
fn old_option(node: &Node<'_>) -> Result<CopyOption> {
    let words: Vec<Rule> = node.children().map(|child| child.rule()).collect();
    let is = |rule: Rule| words.first() == Some(&rule);
    let text = |text: &str| {
        CopyValue::Value(Value {
            text: text.to_owned(),
            kind: ValueKind::String,
            span: node.span(),
        })
    };
    let (name, value) = if is(Rule::kw_csv) {
        ("format", text("csv"))
    } else if is(Rule::kw_binary) {
        ("format", text("binary"))
    } else if is(Rule::kw_header) {
        ("header", CopyValue::None)
    } else if is(Rule::kw_force) {
        let name = match words.get(1) {
            Some(Rule::kw_quote) => "force_quote",
            Some(Rule::kw_not) => "force_not_null",
            _ => "force_null",
        };
        let columns = match node.find(Rule::copy_names) {
            Some(names) => {
                CopyValue::Columns(names.all(Rule::name).map(|name| name.ident()).collect())
            }
            None => CopyValue::All,
        };
        (name, columns)
    } else {
        let name = match words.first() {
            Some(Rule::kw_null) => "null",
            Some(Rule::kw_quote) => "quote",
            Some(Rule::kw_escape) => "escape",
            Some(Rule::kw_encoding) => "encoding",
            _ => "delimiter",
        };
        (name, CopyValue::Value(node.require(Rule::string)?.value()?))
    };
    Ok(CopyOption { name: Ident { value: name.to_owned(), span: node.span() }, value })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::syntax::parse;

    fn copy(text: &str) -> Copy {
        match parse(text) {
            Ok(Statement::Copy(copy)) => copy,
            other => panic!("{text}: {other:?}"),
        }
    }

    fn names(copy: &Copy) -> Vec<&str> {
        copy.options.iter().map(|option| option.name.value.as_str()).collect()
    }

    #[test]
    fn reads_tables_queries_and_places() {
        let to = copy("copy t (a, \"B\") to 'x.csv'");
        assert!(!to.from && to.options.is_empty());
        assert!(matches!(&to.source, CopySource::Table { columns, .. } if columns.len() == 2));
        let query = copy("COPY (SELECT a, (1) FROM t WHERE b IN (1, 2)) TO STDOUT (FORMAT csv)");
        assert!(matches!(&query.source, CopySource::Query(query) if query.tables.len() == 1));
        assert!(matches!(query.place, CopyPlace::Stdout(_)));
        assert!(matches!(copy("COPY a.t FROM STDIN").place, CopyPlace::Stdin(_)));
        assert!(matches!(copy("COPY t FROM PROGRAM 'ls'").place, CopyPlace::Program(_)));
    }

    #[test]
    fn reads_both_forms_of_options() {
        let new = copy(
            "COPY t TO 'x' WITH (FORMAT csv, HEADER, DELIMITER ';', FORCE_QUOTE (a, b), \
             FORCE_NULL *, REJECT_LIMIT 5)",
        );
        assert_eq!(
            names(&new),
            ["format", "header", "delimiter", "force_quote", "force_null", "reject_limit"]
        );
        assert_eq!(new.options[4].value, CopyValue::All);
        let old = copy(
            "COPY t TO 'x' WITH CSV HEADER DELIMITER AS '|' NULL '' QUOTE '\"' ESCAPE AS '\\' \
             FORCE QUOTE a, b FORCE NOT NULL c FORCE NULL d ENCODING 'utf8'",
        );
        assert_eq!(
            names(&old),
            [
                "format",
                "header",
                "delimiter",
                "null",
                "quote",
                "escape",
                "force_quote",
                "force_not_null",
                "force_null",
                "encoding"
            ]
        );
        assert_eq!(names(&copy("COPY t FROM 'x' CSV")), ["format"]);
        assert_eq!(names(&copy("COPY t TO 'x' BINARY")), ["format"]);
    }

    #[test]
    fn refuses_where() {
        let error = parse("COPY t FROM 'x' WHERE a > 1").unwrap_err();
        assert_eq!(error.message(), "COPY ... WHERE is not supported");
    }
}
