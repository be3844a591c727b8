//! `\copy`: COPY whose file needs no quotes.

use super::{Words, missing};
use crate::shell::console::Console;
use crate::shell::flow::Flow;
use crate::syntax::{self, TokenKind, quote_literal};

/// `\copy TABLE|(QUERY) FROM|TO FILE [OPTIONS]`
pub(super) fn copy(console: &mut Console, words: &Words) -> Flow {
    if words.object().is_empty() {
        return Err(missing(r"\copy").into());
    }
    console.execute(&statement(words.object()))
}

/// Returns the COPY statement of what stands behind the command, with the file in quotes.
fn statement(text: &str) -> String {
    let tokens = syntax::tokens(text);
    let mut depth = 0_usize;
    for (index, token) in tokens.iter().enumerate() {
        match token.text(text) {
            "(" => depth += 1,
            ")" => depth = depth.saturating_sub(1),
            word if depth == 0 && ["FROM", "TO"].iter().any(|it| word.eq_ignore_ascii_case(it)) => {
                let behind = &text[token.end..];
                let start = token.end + behind.len() - behind.trim_start().len();
                let quoted = tokens.get(index + 1).is_some_and(|next| {
                    next.kind == TokenKind::String || next.text(text).starts_with(['\'', '$'])
                });
                let end =
                    text[start..].find(char::is_whitespace).map_or(text.len(), |at| start + at);
                let file = &text[start..end];
                let file = match file.to_ascii_uppercase().as_str() {
                    _ if quoted || file.is_empty() => break,
                    "STDIN" | "STDOUT" | "PROGRAM" => break,
                    "PSTDIN" => "STDIN".to_owned(),
                    "PSTDOUT" => "STDOUT".to_owned(),
                    _ => quote_literal(file),
                };
                return format!("COPY {}{file}{}", &text[..start], &text[end..]);
            }
            _ => {}
        }
    }
    format!("COPY {text}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn quotes_files() {
        for (text, expected) in [
            ("t to x.csv csv header", "COPY t to 'x.csv' csv header"),
            ("t (a) from ./it's.csv", "COPY t (a) from './it''s.csv'"),
            ("t to 'x y.csv' csv", "COPY t to 'x y.csv' csv"),
            ("(select a from t) to out.txt", "COPY (select a from t) to 'out.txt'"),
            ("t to stdout", "COPY t to stdout"),
            ("t from pstdin csv", "COPY t from STDIN csv"),
            ("t from program 'ls'", "COPY t from program 'ls'"),
            ("t to", "COPY t to"),
            ("t", "COPY t"),
        ] {
            assert_eq!(statement(text), expected);
        }
    }
}
