//! Colors SQL as it is typed.

use crate::shell::color::{self, Style};
use crate::syntax::{self, TokenKind};

/// Returns `line` with colors; `before` is what was typed above it, which may have left a string or
/// comment open.
pub(super) fn paint(before: &str, line: &str) -> String {
    if before.is_empty() && is_dot_command(line) {
        return color::COMMAND.paint(line);
    }
    let text = format!("{before}{line}");
    let mut out = String::with_capacity(line.len() * 2);
    let mut copied = before.len();
    for token in syntax::tokens(&text) {
        if token.end <= before.len() {
            continue;
        }
        let start = token.start.max(before.len());
        let body = &text[start..token.end];
        out.push_str(&text[copied..start]);
        match style(token.kind) {
            Some(style) => out.push_str(&paint_lines(style, body)),
            None => out.push_str(body),
        }
        copied = token.end;
    }
    out.push_str(&text[copied..]);
    out
}

fn style(kind: TokenKind) -> Option<Style> {
    match kind {
        TokenKind::Keyword => Some(color::KEYWORD),
        TokenKind::String => Some(color::STRING),
        TokenKind::Number | TokenKind::Placeholder => Some(color::NUMBER),
        TokenKind::Comment => Some(color::COMMENT),
        TokenKind::Command => Some(color::COMMAND),
        TokenKind::Identifier | TokenKind::QuotedIdentifier | TokenKind::Punctuation => None,
    }
}

fn is_dot_command(line: &str) -> bool {
    let rest = line.trim_start().strip_prefix('.');
    rest.is_some_and(|rest| rest.starts_with(|c: char| c.is_ascii_alphabetic()))
}

/// Colors each line by itself: the terminal may show other things between them.
fn paint_lines(style: Style, body: &str) -> String {
    let lines = body
        .split('\n')
        .map(|line| if line.is_empty() { String::new() } else { style.paint(line) });
    lines.collect::<Vec<_>>().join("\n")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(before: &str, line: &str, expected: &str) {
        let shown = paint(before, line)
            .replace("\x1b[1;34m", "<k>")
            .replace("\x1b[32m", "<s>")
            .replace("\x1b[36m", "<n>")
            .replace("\x1b[90m", "<c>")
            .replace("\x1b[33m", "<b>")
            .replace("\x1b[0m", "</>");
        assert_eq!(shown, expected);
    }

    #[test]
    fn colors_tokens() {
        check("", "SELECT a, 'x', 12 -- end", "<k>SELECT</> a, <s>'x'</>, <n>12</> <c>-- end</>");
        check("", "\\d t", "<b>\\d t</>");
        check("", ".tables", "<b>.tables</>");
    }

    #[test]
    fn goes_on_inside_a_string() {
        check("SELECT 'a\n", "b' FROM t", "<s>b'</> <k>FROM</> t");
    }
}
