//! The splitter: a script to statements, backslash commands and an unfinished rest.
//!
//! A statement ends at a semicolon outside strings, quoted names and comments, even inside
//! parentheses: a missing `)` spoils one statement, not the rest of a script.

use super::token::{Lexeme, Lexer, Open, TokenKind};

/// A piece of a script.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Piece<'a> {
    /// What it is.
    pub kind: PieceKind,
    /// Its text, without blank space and comments around it and without the semicolon.
    pub text: &'a str,
    /// The offset of the text in the script.
    pub start: usize,
    /// The line on which the text starts, from 1.
    pub line: usize,
}

/// What a piece of a script is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum PieceKind {
    /// A statement that ended in a semicolon.
    Statement,
    /// A backslash command, from the backslash to the end of the line.
    Command,
    /// Text without a semicolon, at the end or before a backslash command; what is open.
    Incomplete(Open),
}

/// Cuts a script into pieces.
pub fn split(text: &str) -> Vec<Piece<'_>> {
    Splitter::new(text).collect()
}

/// Cuts a script into pieces one by one.
pub struct Splitter<'a> {
    text: &'a str,
    lexer: Lexer<'a>,
    /// A command that waits behind the unfinished text before it.
    waiting: Option<Lexeme>,
    /// The line of the byte `counted`.
    line: usize,
    counted: usize,
}

impl<'a> Splitter<'a> {
    /// Returns a splitter of `text`.
    pub fn new(text: &'a str) -> Self {
        Self { text, lexer: Lexer::new(text), waiting: None, line: 1, counted: 0 }
    }

    fn piece(&mut self, kind: PieceKind, start: usize, end: usize) -> Piece<'a> {
        let between = &self.text.as_bytes()[self.counted..start];
        self.line += memchr::memchr_iter(b'\n', between).count();
        self.counted = start;
        Piece { kind, text: &self.text[start..end], start, line: self.line }
    }
}

impl<'a> Iterator for Splitter<'a> {
    type Item = Piece<'a>;

    fn next(&mut self) -> Option<Piece<'a>> {
        let mut span: Option<(usize, usize)> = None;
        let mut depth = 0_usize;
        while let Some(lexeme) = self.waiting.take().or_else(|| self.lexer.next()) {
            let token = lexeme.token;
            if let Some(open) = lexeme.open {
                let start = span.map_or(token.start, |(start, _)| start);
                return Some(self.piece(PieceKind::Incomplete(open), start, token.end));
            }
            match (token.kind, token.text(self.text)) {
                (TokenKind::Comment, _) => continue,
                (TokenKind::Command, command) => {
                    let Some((start, end)) = span else {
                        let end = token.start + command.trim_end().len();
                        return Some(self.piece(PieceKind::Command, token.start, end));
                    };
                    self.waiting = Some(lexeme);
                    return Some(self.piece(incomplete(depth), start, end));
                }
                (TokenKind::Punctuation, ";") => {
                    if let Some((start, end)) = span {
                        return Some(self.piece(PieceKind::Statement, start, end));
                    }
                    depth = 0;
                    continue;
                }
                (TokenKind::Punctuation, "(" | "[") => depth += 1,
                (TokenKind::Punctuation, ")" | "]") => depth = depth.saturating_sub(1),
                _ => {}
            }
            span = Some((span.map_or(token.start, |(start, _)| start), token.end));
        }
        span.map(|(start, end)| self.piece(incomplete(depth), start, end))
    }
}

fn incomplete(depth: usize) -> PieceKind {
    PieceKind::Incomplete(if depth > 0 { Open::Parenthesis } else { Open::Statement })
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn check(text: &str, expected: &[(PieceKind, &str, usize)]) {
        let found: Vec<_> =
            split(text).into_iter().map(|piece| (piece.kind, piece.text, piece.line)).collect();
        assert_eq!(found, expected, "{text}");
    }

    fn open(text: &str, expected: Open) {
        assert_eq!(
            split(text).last().map(|piece| piece.kind.clone()),
            Some(PieceKind::Incomplete(expected)),
            "{text}"
        );
    }

    #[test]
    fn cuts_at_semicolons() {
        use PieceKind::{Incomplete, Statement};
        check(
            "a; b ;;\n c",
            &[(Statement, "a", 1), (Statement, "b", 1), (Incomplete(Open::Statement), "c", 2)],
        );
    }

    #[test]
    fn leaves_comments_around_a_statement_out() {
        use PieceKind::Statement;
        check("-- head\n/* x; */ a -- in\n b -- tail\n; -- end", &[(Statement, "a -- in\n b", 2)]);
        check("-- only;\n /* ; */", &[]);
    }

    #[test]
    fn passes_over_semicolons_in_quotes() {
        use PieceKind::Statement;
        check(
            r#"a ';' ";" e'\';' $$;$$ $x$;$$;$x$;"#,
            &[(Statement, r#"a ';' ";" e'\';' $$;$$ $x$;$$;$x$"#, 1)],
        );
    }

    #[test]
    fn ends_a_statement_inside_parentheses() {
        use PieceKind::Statement;
        check("SELECT (1; SELECT 2;", &[(Statement, "SELECT (1", 1), (Statement, "SELECT 2", 1)]);
    }

    #[test]
    fn finds_commands_before_and_behind_text() {
        use PieceKind::{Command, Incomplete, Statement};
        check(
            "\\d t  \nSELECT 1 \\gx\nSELECT '\\';",
            &[
                (Command, "\\d t", 1),
                (Incomplete(Open::Statement), "SELECT 1", 2),
                (Command, "\\gx", 2),
                (Statement, "SELECT '\\'", 3),
            ],
        );
    }

    #[test]
    fn says_what_is_open_at_the_end() {
        open("SELECT 'a", Open::String);
        open("SELECT e'a\\'", Open::EscapeString);
        open("SELECT \"a", Open::QuotedIdentifier);
        open("SELECT $a$ x", Open::Dollar("a".into()));
        open("SELECT /* /* */", Open::Comment(1));
        open("/* only", Open::Comment(1));
        open("SELECT (a, [1", Open::Parenthesis);
        open("SELECT (a)", Open::Statement);
    }

    proptest! {
        #![proptest_config(ProptestConfig { failure_persistence: None, ..Default::default() })]

        #[test]
        fn keeps_every_significant_byte_in_order(text in "[a-c;'\"$/*\\-\\\\( \n]{0,40}") {
            let mut at = 0;
            for piece in split(&text) {
                prop_assert!(piece.start >= at);
                prop_assert_eq!(&text[piece.start..piece.start + piece.text.len()], piece.text);
                prop_assert_eq!(piece.line, 1 + text[..piece.start].matches('\n').count());
                at = piece.start + piece.text.len();
            }
        }
    }
}
