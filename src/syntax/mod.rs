//! Text to `Statement` and back: splitting scripts, the pest dialect, sqlparser, our syntax tree.
//!
//! A script goes through `split`, and each statement of it through `parse`: its tokens are looked
//! at (`scan`), its first words pick a rule of the grammar (`statement`, `dialect`), and the modules
//! beside read what pest matched into the tree. Expressions and queries are raw text to pest;
//! `expr` and `query` hand them to sqlparser. `print` goes the other way.

pub mod ast;

mod column;
mod copy;
mod dialect;
mod dump;
mod element;
mod error;
mod export;
mod expr;
mod grant;
mod import;
mod index;
mod insert;
mod job;
mod keyword;
mod literal;
mod print;
mod print_element;
mod query;
mod scan;
mod sequence;
mod setting;
mod show;
mod split;
mod sql_dialect;
mod statement;
mod tables;
mod token;
mod variable;

pub use dump::{
    DumpElement, DumpSequence, DumpStatement, DumpTable, Enums, RowsHead, read_mysql,
    read_postgres, read_rows_head,
};
pub use keyword::{KEYWORDS, RESERVED, is_keyword};
pub use literal::{quote_ident, quote_literal};
pub use print::print;
pub use print_element::print_elements;
pub use split::{Piece, PieceKind, Splitter, split};
pub use statement::STATEMENT_WORDS;
pub use token::{Open, Token, TokenKind, tokens};
pub use variable::substitute;

use ast::{Expr, Statement};
use scan::Scanned;

use crate::error::Result;

/// Parses the text of one statement; a semicolon may end it. Spans in the result and in an error
/// are byte ranges in `text`.
pub fn parse(text: &str) -> Result<Statement> {
    Scanned::new(text)?.run(|scanned| statement::parse(scanned, 0))
}

/// A statement of a script.
#[derive(Clone, Debug, PartialEq)]
pub struct ScriptStatement<'a> {
    /// Its text, to which the statement's spans refer.
    pub text: &'a str,
    /// Where the text starts in the script.
    pub start: usize,
    /// The statement.
    pub statement: Statement,
}

/// Parses the statements of a script; the last one may lack its semicolon. The error of a statement
/// carries the statement's text.
pub fn parse_script(text: &str) -> Result<Vec<ScriptStatement<'_>>> {
    Splitter::new(text)
        .map(|piece| match parse(piece.text) {
            Ok(statement) => {
                Ok(ScriptStatement { text: piece.text, start: piece.start, statement })
            }
            Err(error) => Err(error.with_text(&piece.text.into())),
        })
        .collect()
}

/// Parses the text of one expression.
pub fn parse_expr(text: &str) -> Result<Expr> {
    Scanned::new(text)?.run(|scanned| expr::parse_expr(scanned, scanned.start_of(0)..scanned.end()))
}

#[cfg(test)]
mod tests;
