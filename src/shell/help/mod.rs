//! Help on statements: what `\h` prints.

mod topics;

use strsim::jaro_winkler;

pub(crate) use topics::TOPICS;

use crate::error::{Error, SqlState};

/// Help on one statement.
pub(crate) struct Topic {
    /// The statement's first words, upper case.
    pub(crate) name: &'static str,
    /// One line: what it does.
    pub(crate) summary: &'static str,
    /// How it is written.
    pub(crate) synopsis: &'static str,
    /// Options or remarks, if it has any.
    pub(crate) notes: &'static str,
    /// One statement that works.
    pub(crate) example: &'static str,
}

/// Returns the help on the statements whose first words begin with `words`, or the list of
/// statements if there are no words.
pub(crate) fn text(words: &str) -> Result<String, Error> {
    let words = words.to_ascii_uppercase().split_whitespace().collect::<Vec<_>>().join(" ");
    if words.is_empty() {
        return Ok(list());
    }
    let exact: Vec<&Topic> = TOPICS.iter().filter(|topic| topic.name == words).collect();
    let found = if exact.is_empty() { starting_with(&words) } else { exact };
    if found.is_empty() {
        return Err(no_topic(&words));
    }
    Ok(found.into_iter().map(print).collect::<Vec<_>>().join("\n"))
}

/// Returns the topics that begin with the words, or that the words begin with: `\h IMPORT TABLE t`
/// finds IMPORT TABLE.
fn starting_with(words: &str) -> Vec<&'static Topic> {
    let starts = |long: &str, short: &str| {
        long.strip_prefix(short).is_some_and(|rest| rest.is_empty() || rest.starts_with(' '))
    };
    let begun: Vec<_> = TOPICS.iter().filter(|topic| starts(topic.name, words)).collect();
    if !begun.is_empty() {
        return begun;
    }
    TOPICS.iter().filter(|topic| starts(words, topic.name)).collect()
}

fn no_topic(words: &str) -> Error {
    let closest = TOPICS
        .iter()
        .map(|topic| (jaro_winkler(topic.name, words), topic.name))
        .filter(|(likeness, _)| *likeness > 0.85)
        .max_by(|a, b| a.0.total_cmp(&b.0));
    let hint = match closest {
        Some((_, name)) => format!("Did you mean \"{name}\"?"),
        None => r"Type \h for the list of statements.".to_owned(),
    };
    Error::new(SqlState::UNDEFINED_OBJECT, format!("there is no help for \"{words}\"")).hint(hint)
}

fn list() -> String {
    let mut text = "Help is available for:\n".to_owned();
    for topic in TOPICS {
        text += &format!("  {:<24} {}\n", topic.name, topic.summary);
    }
    text + "\nType \\h and the first words of a statement, such as \\h IMPORT TABLE.\n"
}

fn print(topic: &Topic) -> String {
    let indented = |text: &str| {
        text.lines().map(|line| format!("  {line}\n").replace("  \n", "\n")).collect::<String>()
    };
    let mut text = format!("{}: {}\n\nSyntax:\n", topic.name, topic.summary);
    text += &indented(topic.synopsis);
    if !topic.notes.is_empty() {
        text += &format!("\n{}\n", topic.notes);
    }
    text += "\nExample:\n";
    text + &indented(topic.example)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn finds_a_topic_by_its_first_words() {
        assert!(text("import").unwrap().starts_with("IMPORT TABLE: "));
        assert!(text("import table t create").unwrap().starts_with("IMPORT TABLE: "));
        let create = text("create").unwrap();
        assert!(create.starts_with("CREATE TABLE: ") && create.contains("\nCREATE USER: "));
        assert!(text("").unwrap().contains("  DROP TABLE  "));
    }

    #[test]
    fn lists_every_import_option() {
        let text = text("IMPORT TABLE").unwrap();
        for option in [
            "temp",
            "delimiter",
            "comment",
            "quote",
            "escape",
            "nullif",
            "skip",
            "header",
            "row_limit",
            "strict_quotes",
            "lenient",
            "on_error",
            "reject",
            "max_errors",
            "experimental_save_rejected",
            "encoding",
            "dry_run",
            "decompress",
            "sstsize",
            "keep_temp",
            "disable_glob_matching",
            "detached",
        ] {
            let listed = |end: &str| text.contains(&format!("\n  {option}{end}"));
            assert!(listed(" ") || listed("\n"), "{option}");
        }
    }

    #[test]
    fn lists_the_options_of_import_into() {
        let text = text("import into t (a").unwrap();
        for option in ["mode", "nullif", "allow_quoted_null"] {
            assert!(text.contains(&format!("\n  {option} ")), "{option}");
        }
    }

    #[test]
    fn lists_every_export_option() {
        let text = text("EXPORT").unwrap();
        for help in crate::plan::export_option_help() {
            assert!(text.contains(&format!("\n  {} ", help.name)), "{}", help.name);
        }
    }

    #[test]
    fn suggests_the_closest_topic() {
        let error = text("improt table").unwrap_err();
        assert_eq!(error.hint_text(), Some("Did you mean \"IMPORT TABLE\"?"));
    }

    #[test]
    fn topics_are_upper_case_and_unique() {
        let mut names: Vec<_> = TOPICS.iter().map(|topic| topic.name).collect();
        assert!(names.iter().all(|name| name.to_ascii_uppercase() == **name));
        let count = names.len();
        names.sort_unstable();
        names.dedup();
        assert_eq!(names.len(), count);
    }
}
