//! Cuts text into statements and commands: what `syntax` cuts, and the dot commands, which are the
//! shell's own habit.

use crate::syntax::{Piece, PieceKind, Splitter};

/// Cuts text into statements, commands and an open rest. A line that begins with a dot and a letter
/// is a command where no statement is open.
pub(crate) fn split(text: &str) -> Vec<Piece<'_>> {
    pieces(text).collect()
}

/// Cuts text as `split` does, one piece after the other.
pub(crate) fn pieces(text: &str) -> impl Iterator<Item = Piece<'_>> {
    let (mut from, mut line) = (0, 1);
    let mut splitter = Splitter::new(text);
    std::iter::from_fn(move || {
        let piece = splitter.next()?;
        let (start, at_line) = (from + piece.start, line + piece.line - 1);
        let Some(length) = dot_command(text, start) else {
            return Some(Piece { start, line: at_line, ..piece });
        };
        let end = start + length;
        (from, line) = (end, at_line);
        splitter = Splitter::new(&text[from..]);
        let text = text[start..end].trim_end();
        Some(Piece { kind: PieceKind::Command, text, start, line: at_line })
    })
}

/// Returns the length of the dot command at `start`, if one stands there.
fn dot_command(text: &str, start: usize) -> Option<usize> {
    let rest = text[start..].strip_prefix('.')?;
    let before = text[..start].trim_end_matches([' ', '\t']);
    let first = before.is_empty() || before.ends_with('\n');
    if !first || !rest.starts_with(|c: char| c.is_ascii_alphabetic()) {
        return None;
    }
    Some(1 + rest.find('\n').unwrap_or(rest.len()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::syntax::Open;

    fn check(text: &str, expected: &[(PieceKind, &str, usize)]) {
        let pieces = split(text);
        let seen: Vec<_> =
            pieces.iter().map(|piece| (piece.kind.clone(), piece.text, piece.line)).collect();
        assert_eq!(seen, expected, "{text:?}");
        for piece in pieces {
            assert!(text[piece.start..].starts_with(piece.text), "{text:?}");
        }
    }

    #[test]
    fn finds_dot_commands() {
        use PieceKind::{Command, Incomplete, Statement};
        check(
            "-- head\n  .tables; \nSELECT 1;\n\\d t\n.read 'x y'\nSELECT 2",
            &[
                (Command, ".tables;", 2),
                (Statement, "SELECT 1", 3),
                (Command, "\\d t", 4),
                (Command, ".read 'x y'", 5),
                (Incomplete(Open::Statement), "SELECT 2", 6),
            ],
        );
    }

    #[test]
    fn leaves_dots_in_statements_alone() {
        use PieceKind::Statement;
        check("SELECT a\n.b;", &[(Statement, "SELECT a\n.b", 1)]);
        check(".5;", &[(Statement, ".5", 1)]);
        check("SELECT 1; .x;", &[(Statement, "SELECT 1", 1), (Statement, ".x", 1)]);
    }
}
