//! Completion: which words can stand where the cursor is.

use super::super::command::{self, Takes};
use super::super::settings::Format;
use super::super::splitter;
use crate::session::Names;
use crate::shell::{command::option_names, help};
use crate::syntax::{self, KEYWORDS, Open, PieceKind, Token, TokenKind};

/// The options of IMPORT.
const IMPORT_OPTIONS: &[&str] = &[
    "allow_quoted_null",
    "comment",
    "data_as_binary_records",
    "data_as_json_records",
    "decompress",
    "delimiter",
    "detached",
    "disable_glob_matching",
    "dry_run",
    "encoding",
    "escape",
    "experimental_save_rejected",
    "fields_enclosed_by",
    "fields_escaped_by",
    "fields_terminated_by",
    "header",
    "ignore_unknown_fields",
    "ignore_unsupported_statements",
    "keep_temp",
    "lenient",
    "log_ignored_statements",
    "max_errors",
    "max_row_size",
    "mode",
    "nullif",
    "on_error",
    "quote",
    "records_terminated_by",
    "reject",
    "row_limit",
    "rows_terminated_by",
    "schema",
    "schema_uri",
    "skip",
    "skip_foreign_keys",
    "sstsize",
    "strict_quotes",
    "strict_validation",
    "temp",
];

/// The options of EXPORT.
const EXPORT_OPTIONS: &[&str] = &[
    "chunk_rows",
    "chunk_size",
    "compression",
    "delimiter",
    "detached",
    "filename",
    "header",
    "nullas",
    "overwrite",
];

/// What can stand at the cursor.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Wanted {
    /// A backslash or dot command.
    Command,
    /// A file.
    File,
    /// A table.
    Table,
    /// A sequence.
    Sequence,
    /// A database.
    Database,
    /// A user.
    User,
    /// A cluster setting or session variable.
    Setting,
    /// An option of IMPORT.
    ImportOption,
    /// An option of EXPORT.
    ExportOption,
    /// The first words of a statement.
    Statement,
    /// A name of `\pset`.
    Option,
    /// A result format.
    Format,
    /// `on` or `off`.
    Switch,
    /// A keyword, or a name of the tables in reach.
    Expression,
    /// Nothing.
    Nothing,
}

/// Returns what can stand at the end of `typed`, the statement or command so far.
pub(super) fn wanted(typed: &str) -> Wanted {
    let pieces = splitter::split(typed);
    let Some(last) = pieces.last() else { return Wanted::Expression };
    let text = &typed[last.start..];
    match &last.kind {
        PieceKind::Command if !text.contains('\n') => wanted_in_command(text),
        PieceKind::Command | PieceKind::Statement => Wanted::Expression,
        PieceKind::Incomplete(Open::Statement | Open::Parenthesis) => wanted_in_statement(text),
        PieceKind::Incomplete(Open::String | Open::EscapeString)
            if names_files(&words(text, &syntax::tokens(text))) =>
        {
            Wanted::File
        }
        PieceKind::Incomplete(_) => Wanted::Nothing,
    }
}

fn wanted_in_statement(text: &str) -> Wanted {
    let tokens = syntax::tokens(text);
    let Some((last, before)) = tokens.split_last() else { return Wanted::Expression };
    let under_cursor = last.end == text.len();
    match last.kind {
        TokenKind::Comment if under_cursor => Wanted::Nothing,
        // The word under the cursor does not count as one before it.
        TokenKind::Keyword | TokenKind::Identifier if under_cursor => {
            // Nor does what stands before its dot.
            let dotted = before.last().is_some_and(|token| token.text(text) == ".");
            let count = before.len().saturating_sub(if dotted { 2 } else { 0 });
            wanted_after(&words(text, &before[..count]))
        }
        _ => wanted_after(&words(text, &tokens)),
    }
}

/// Returns the tokens in upper case.
fn words(text: &str, tokens: &[Token]) -> Vec<String> {
    tokens.iter().map(|token| token.text(text).to_ascii_uppercase()).collect()
}

fn wanted_in_command(text: &str) -> Wanted {
    let Some((name, rest)) = text.split_once(char::is_whitespace) else { return Wanted::Command };
    let Some(command) = command::named(name) else { return Wanted::Nothing };
    let first = !rest.trim_start().contains(char::is_whitespace);
    match command.takes {
        Takes::Statement => Wanted::Statement,
        Takes::Option if !first && rest.trim_start().starts_with("format") => Wanted::Format,
        Takes::Database if !first => Wanted::User,
        _ if !first => Wanted::Nothing,
        Takes::Table => Wanted::Table,
        Takes::Sequence => Wanted::Sequence,
        Takes::Database => Wanted::Database,
        Takes::File => Wanted::File,
        Takes::Option => Wanted::Option,
        Takes::Format => Wanted::Format,
        Takes::Switch => Wanted::Switch,
        Takes::Nothing => Wanted::Nothing,
    }
}

/// Returns whether a string in the place where the words end names a file.
fn names_files(words: &[String]) -> bool {
    let words: Vec<&str> = words.iter().map(String::as_str).collect();
    let before = &words[..words.len().saturating_sub(1)];
    let data = before.windows(2).rposition(|pair| pair == ["DATA", "("]);
    let open = data.is_some_and(|at| !before[at..].contains(&")"));
    let export =
        matches!(before, ["EXPORT", "INTO", _]) || matches!(before, ["COPY", .., "TO" | "FROM"]);
    open || export || before.ends_with(&["CREATE", "USING"]) || before.ends_with(&["TEMP", "="])
}

fn wanted_after(words: &[String]) -> Wanted {
    let words: Vec<&str> = words.iter().map(String::as_str).collect();
    let import_options = words.first() == Some(&"IMPORT")
        && words.iter().rposition(|word| *word == "WITH").is_some_and(|at| at > 2);
    let export_options = words.first() == Some(&"EXPORT")
        && words.iter().position(|word| *word == "WITH").is_some_and(|at| at == 4)
        && !words.contains(&"FROM");
    match words.as_slice() {
        [.., "WITH" | ","] if export_options => Wanted::ExportOption,
        [.., "USE" | "DATABASE"] => Wanted::Database,
        [.., "SEQUENCE"] => Wanted::Sequence,
        [.., "SETTING" | "SETTINGS"] | ["SET" | "SHOW" | "RESET"] => Wanted::Setting,
        [.., "USER" | "FOR"] => Wanted::User,
        ["GRANT", .., "TO"] | ["REVOKE", .., "FROM"] => Wanted::User,
        [.., "WITH" | ","] if import_options => Wanted::ImportOption,
        ["COPY"]
        | [.., "FROM" | "JOIN" | "INTO" | "TABLE" | "DESCRIBE" | "UPDATE" | "REFERENCES"] => {
            Wanted::Table
        }
        ["GRANT" | "REVOKE", .., "ON"] => Wanted::Table,
        ["CREATE", "INDEX" | "UNIQUE", .., "ON"] => Wanted::Table,
        ["DROP", "INDEX"] | ["DROP", "INDEX", "IF", "EXISTS"] => Wanted::Table,
        _ => Wanted::Expression,
    }
}

/// Returns where the word before the cursor starts.
pub(super) fn word_start(line: &str) -> usize {
    let in_word = |c: char| c.is_alphanumeric() || matches!(c, '_' | '\\' | '?' | '!');
    let start = line.trim_end_matches(in_word).len();
    // A command begins with its dot; a dot elsewhere parts names.
    if line[..start].trim().is_empty() || line[..start].trim() == "." {
        return line.len() - line.trim_start().len();
    }
    // Settings have dotted names.
    let dotted = line.trim_end_matches(|c: char| in_word(c) || c == '.').len();
    if line[..start].to_ascii_uppercase().contains("SETTING ") { dotted } else { start }
}

/// Returns the candidates that begin with `prefix`, sorted.
pub(super) fn candidates(wanted: Wanted, prefix: &str, typed: &str, names: &Names) -> Vec<String> {
    let tables = || names.tables.iter().map(|(table, _)| table.clone());
    let owned = |words: &[&str]| words.iter().map(|word| (*word).to_owned()).collect();
    let all: Vec<String> = match wanted {
        Wanted::File | Wanted::Nothing => Vec::new(),
        Wanted::Command => command::all().map(|command| command.name.to_owned()).collect(),
        Wanted::Table => tables().chain(names.databases.iter().cloned()).collect(),
        Wanted::Sequence => names.sequences.clone(),
        Wanted::Database => names.databases.clone(),
        Wanted::User => names.users.clone(),
        Wanted::Setting => {
            let more = [
                "CLUSTER SETTING",
                "DATABASE",
                "TABLES",
                "COLUMNS FROM",
                "INDEXES FROM",
                "SEQUENCES",
            ];
            names.settings.iter().cloned().chain(more.map(str::to_owned)).collect()
        }
        Wanted::ImportOption => owned(IMPORT_OPTIONS),
        Wanted::ExportOption => owned(EXPORT_OPTIONS),
        Wanted::Statement => help::TOPICS.iter().map(|topic| topic.name.to_owned()).collect(),
        Wanted::Option => option_names().map(str::to_owned).collect(),
        Wanted::Format => Format::NAMES.iter().map(|(name, _)| (*name).to_owned()).collect(),
        Wanted::Switch => owned(&["on", "off"]),
        Wanted::Expression => {
            columns(typed, names).chain(tables()).chain(owned(KEYWORDS)).collect()
        }
    };
    let mut found: Vec<String> = all
        .into_iter()
        .filter(|word| starts_with(word, prefix))
        .map(|word| in_case_of(prefix, word))
        .collect();
    found.sort_unstable();
    found.dedup();
    found
}

/// Returns the columns of the tables that the statement names, or of all tables if it names none.
fn columns<'a>(typed: &str, names: &'a Names) -> impl Iterator<Item = String> + use<'a> {
    let start = splitter::split(typed).last().map_or(0, |piece| piece.start);
    let words = words(&typed[start..], &syntax::tokens(&typed[start..]));
    let named = |table: &str| words.iter().any(|word| word.eq_ignore_ascii_case(table));
    let any = names.tables.iter().any(|(table, _)| named(table));
    let reach: Vec<_> = names.tables.iter().filter(|(table, _)| !any || named(table)).collect();
    reach.into_iter().flat_map(|(_, columns)| columns.iter().cloned())
}

fn starts_with(word: &str, prefix: &str) -> bool {
    word.get(..prefix.len()).is_some_and(|start| start.eq_ignore_ascii_case(prefix))
}

/// Writes a keyword in lower case if its start was typed so.
fn in_case_of(prefix: &str, word: String) -> String {
    let lower = prefix.chars().any(|c| c.is_ascii_lowercase());
    if lower && KEYWORDS.binary_search(&word.as_str()).is_ok() {
        word.to_ascii_lowercase()
    } else {
        word
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn names() -> Names {
        Names {
            databases: vec!["defaultdb".into(), "shop".into()],
            tables: vec![
                ("customers".into(), vec!["id".into(), "name".into()]),
                ("orders".into(), vec!["id".into(), "total".into()]),
            ],
            sequences: vec!["customers_id_seq".into()],
            users: vec!["root".into()],
            settings: vec!["experimental.importcsv.enabled".into(), "timezone".into()],
        }
    }

    fn check(typed: &str, expected: &[&str]) {
        let start = word_start(typed);
        let found = candidates(wanted(typed), &typed[start..], typed, &names());
        assert_eq!(found, expected, "{typed}");
    }

    #[test]
    fn completes_commands_and_their_arguments() {
        check("\\tim", &["\\timing"]);
        check(".tab", &[".tables"]);
        check("\\d cus", &["customers"]);
        check("\\c sh", &["shop"]);
        check("\\timing o", &["off", "on"]);
        check("\\pset format j", &["json"]);
        check("\\pset fo", &["footer", "format"]);
        check("\\h IMP", &["IMPORT INTO", "IMPORT PGDUMP", "IMPORT TABLE"]);
    }

    #[test]
    fn completes_names_by_their_place() {
        check("SELECT * FROM cu", &["customers"]);
        check("USE s", &["shop"]);
        check("DROP SEQUENCE c", &["customers_id_seq"]);
        check("\\ds c", &["customers_id_seq"]);
        check("SELECT to", &["to", "total"]);
        check("SELECT * FROM customers WHERE nam", &["name"]);
        check("SET CLUSTER SETTING experimental.imp", &["experimental.importcsv.enabled"]);
        check("DROP USER r", &["root"]);
        check("CREATE UNIQUE INDEX i ON cu", &["customers"]);
        check("DROP INDEX ord", &["orders"]);
        check("sel", &["select"]);
        check("SEL", &["SELECT"]);
    }

    #[test]
    fn completes_options_of_import() {
        check("IMPORT TABLE t (id INT) CSV DATA ('f') WITH te", &["temp"]);
        check("IMPORT INTO t (id) CSV DATA ('f') WITH mo", &["mode"]);
        check("IMPORT TABLE t (id INT) CSV DATA ('f') WITH temp = 'x', del", &["delimiter"]);
    }

    #[test]
    fn completes_options_of_export() {
        check("EXPORT INTO CSV 'd' WITH nu", &["nullas"]);
        check("EXPORT INTO CSV 'd' WITH header, chunk", &["chunk_rows", "chunk_size"]);
        check("EXPORT INTO CSV 'd' WITH header FROM TABLE cu", &["customers"]);
    }

    #[test]
    fn knows_where_files_stand() {
        assert_eq!(wanted("EXPORT INTO CSV 'ou"), Wanted::File);
        assert_eq!(wanted("COPY t TO 'ou"), Wanted::File);
        assert_eq!(wanted("\\i da"), Wanted::File);
        assert_eq!(wanted("IMPORT TABLE t (id INT) CSV DATA ('cust"), Wanted::File);
        assert_eq!(wanted("IMPORT TABLE t (id INT) CSV DATA ('a', 'b"), Wanted::File);
        assert_eq!(wanted("IMPORT TABLE t CREATE USING '"), Wanted::File);
        assert_eq!(wanted("SELECT 'cust"), Wanted::Nothing);
    }
}
