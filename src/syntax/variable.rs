//! Variables in a script: `:name`, `:'name'` and `:"name"` replaced by their values before parsing.

use super::literal::{always_quote, quote_literal, variable_length};
use super::token::{Lexer, Token, TokenKind};
use crate::error::{Error, Result, Span, SqlState};

/// Replaces variables in `text`: `:name` by the value as it is, `:'name'` by a string literal and
/// `:"name"` by a quoted name. Strings, quoted names, comments, casts (`::`) and array slices stay
/// as they are, and so does a variable for which `lookup` has no value.
pub fn substitute(text: &str, lookup: &dyn Fn(&str) -> Option<String>) -> Result<String> {
    let mut out = String::with_capacity(text.len());
    let mut copied = 0;
    let mut brackets = 0_usize;
    let mut previous: Option<Token> = None;
    let mut lexer = Lexer::new(text).map(|lexeme| lexeme.token).peekable();
    while let Some(token) = lexer.next() {
        match token.text(text) {
            "[" => brackets += 1,
            "]" => brackets = brackets.saturating_sub(1),
            ":" if brackets == 0 || !previous.is_some_and(|token| is_operand(token, text)) => {
                if let Some(next) = lexer.peek().filter(|next| next.start == token.end)
                    && let Some((end, value)) = replacement(text, *next, lookup)?
                {
                    out.push_str(&text[copied..token.start]);
                    out.push_str(&value);
                    copied = end;
                    previous = lexer.next();
                    continue;
                }
            }
            _ => {}
        }
        previous = Some(token);
    }
    out.push_str(&text[copied..]);
    Ok(out)
}

/// Tells whether a colon behind the token, in brackets, is that of a slice.
fn is_operand(token: Token, text: &str) -> bool {
    match token.kind {
        TokenKind::Punctuation => matches!(token.text(text), ")" | "]"),
        TokenKind::Comment | TokenKind::Command => false,
        _ => true,
    }
}

/// Returns where the variable that starts at `token` ends and what takes its place.
fn replacement(
    text: &str,
    token: Token,
    lookup: &dyn Fn(&str) -> Option<String>,
) -> Result<Option<(usize, String)>> {
    let written = token.text(text);
    let inner = |quote: char| written.strip_prefix(quote)?.strip_suffix(quote);
    let (name, end) = match token.kind {
        TokenKind::Keyword | TokenKind::Identifier => {
            let length = variable_length(written);
            (&written[..length], token.start + length)
        }
        TokenKind::String => (inner('\'').unwrap_or(""), token.end),
        TokenKind::QuotedIdentifier => (inner('"').unwrap_or(""), token.end),
        _ => return Ok(None),
    };
    if name.is_empty() || variable_length(name) != name.len() {
        return Ok(None);
    }
    let Some(value) = lookup(name) else { return Ok(None) };
    if value.contains('\0') {
        return Err(Error::new(
            SqlState::CHARACTER_NOT_IN_REPERTOIRE,
            format!("the value of variable \"{name}\" holds a NUL character"),
        )
        .at(Span::new(token.start, end)));
    }
    let value = match token.kind {
        TokenKind::String => quote_literal(&value),
        TokenKind::QuotedIdentifier => always_quote(&value),
        _ => value,
    };
    Ok(Some((end, value)))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(text: &str, expected: &str) {
        let lookup = |name: &str| match name {
            "x" => Some("a'b".to_owned()),
            "n" => Some("5".to_owned()),
            _ => None,
        };
        assert_eq!(substitute(text, &lookup).unwrap(), expected);
    }

    #[test]
    fn replaces_each_form() {
        check("SELECT :n, :'x', :\"x\";", "SELECT 5, 'a''b', \"a'b\";");
        check("SELECT :n::int + :n", "SELECT 5::int + 5");
    }

    #[test]
    fn leaves_strings_comments_casts_and_slices() {
        for text in [
            "SELECT ':n' \":n\" -- :n\n /* :n */ $$:n$$ a::n",
            "SELECT a[1:n], a[b :n], a[c(1):n]",
            "SELECT :missing, :'missing', : n, :1",
        ] {
            check(text, text);
        }
        check("SELECT ARRAY[:n, :n]", "SELECT ARRAY[5, 5]");
    }
}
