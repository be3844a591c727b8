//! EXPORT: its format, its place, its options, and the query whose rows it writes.

use super::ast::{Export, Ident, Statement};
use super::dialect::{Node, Rule};
use super::import::{options, text_value};
use super::literal::quote_literal;
use super::query::parse_query;
use super::scan::Scanned;
use crate::error::Result;

/// Reads an EXPORT.
pub(super) fn export(scanned: &Scanned<'_>, node: &Node<'_>) -> Result<Statement> {
    let format = node.require(Rule::import_format)?;
    let destination = node.require(Rule::value)?.value()?;
    let query = node.require(Rule::rest)?.span();
    Ok(Statement::Export(Export {
        format: Ident { value: format.text().to_ascii_uppercase(), span: format.span() },
        destination: text_value(scanned, destination, quote_literal)?,
        options: options(scanned, &node.require(Rule::opt_with)?)?,
        query: parse_query(scanned, query.start..query.end)?,
    }))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::syntax::parse;

    fn export(text: &str) -> Export {
        match parse(text) {
            Ok(Statement::Export(export)) => export,
            other => panic!("{text}: {other:?}"),
        }
    }

    #[test]
    fn reads_both_sources() {
        let one = export("export into csv 'out' with header, Delimiter = '|' from select a from t");
        assert_eq!(one.format.value, "CSV");
        assert_eq!(one.destination.text, "out");
        assert_eq!(one.options.len(), 2);
        assert_eq!(one.query.text, "select a from t");
        assert_eq!(one.query.tables[0].parts[0].value, "t");
        let other = export("EXPORT INTO PARQUET $1 FROM TABLE a.t;");
        assert_eq!(other.query.text, "SELECT * FROM a.t");
        assert!(other.options.is_empty());
    }

    #[test]
    fn refuses_what_is_no_query() {
        let error = parse("EXPORT INTO CSV 'x' FROM DELETE FROM t").unwrap_err();
        assert_eq!(error.code().as_str(), "42601");
        let error = parse("EXPORT INTO CSV 'x' WITH chunk_rows = 5 FROM TABLE t").unwrap_err();
        assert_eq!(error.hint_text(), Some("Put the number in quotes: chunk_rows = '5'."));
    }
}
