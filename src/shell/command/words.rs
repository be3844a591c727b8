//! The arguments of a backslash command: words, some of them quoted.

/// What stands behind a command's name.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Words {
    raw: String,
    list: Vec<String>,
}

impl Words {
    /// Cuts arguments into words. Single quotes hold a word together and know `\n`, `\t` and `\\`;
    /// double quotes stay, since they belong to names.
    pub(crate) fn new(raw: &str) -> Self {
        Self { raw: raw.trim().to_owned(), list: cut(raw) }
    }

    /// Returns everything behind the name.
    pub(crate) fn raw(&self) -> &str {
        &self.raw
    }

    /// Returns a name of an object: everything, without a semicolon at the end.
    pub(crate) fn object(&self) -> &str {
        self.raw.trim_end_matches(';').trim_end()
    }

    /// Returns the words.
    pub(crate) fn list(&self) -> &[String] {
        &self.list
    }

    /// Returns a word by its place, from 0.
    pub(crate) fn get(&self, at: usize) -> Option<&str> {
        self.list.get(at).map(String::as_str)
    }
}

/// Cuts a command line into its name and the rest. The name of `\!` ends behind the mark.
pub(crate) fn cut_name(text: &str) -> (&str, &str) {
    if text.starts_with(r"\!") {
        return text.split_at(2);
    }
    let end = text.find(|c: char| c.is_whitespace() || c == ';').unwrap_or(text.len());
    text.split_at(end)
}

fn cut(raw: &str) -> Vec<String> {
    let mut list = Vec::new();
    let mut word: Option<String> = None;
    let mut chars = raw.chars();
    while let Some(c) = chars.next() {
        match c {
            c if c.is_whitespace() => list.extend(word.take()),
            '\'' => read_quoted(&mut chars, word.get_or_insert_default()),
            '"' => {
                let word = word.get_or_insert_default();
                word.push(c);
                for c in chars.by_ref() {
                    word.push(c);
                    if c == '"' {
                        break;
                    }
                }
            }
            c => word.get_or_insert_default().push(c),
        }
    }
    list.extend(word);
    list
}

fn read_quoted(chars: &mut std::str::Chars<'_>, word: &mut String) {
    while let Some(c) = chars.next() {
        match c {
            '\'' if chars.as_str().starts_with('\'') => {
                chars.next();
                word.push('\'');
            }
            '\'' => return,
            '\\' => match chars.next() {
                Some('n') => word.push('\n'),
                Some('t') => word.push('\t'),
                Some('r') => word.push('\r'),
                Some(c) => word.push(c),
                None => word.push('\\'),
            },
            c => word.push(c),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn cuts_words() {
        for (raw, words) in [
            ("", &[][..]),
            (" a  b ", &["a", "b"]),
            (r"'a b' 'it''s' 'x\ty'", &["a b", "it's", "x\ty"]),
            ("a'b c'd \"A b\".c", &["ab cd", "\"A b\".c"]),
            ("'open", &["open"]),
            ("''", &[""]),
        ] {
            assert_eq!(Words::new(raw).list(), words, "{raw}");
        }
    }

    #[test]
    fn cuts_the_name_off() {
        assert_eq!(cut_name(r"\d t;"), (r"\d", " t;"));
        assert_eq!(cut_name(r"\!ls -l"), (r"\!", "ls -l"));
        assert_eq!(cut_name(r"\q;"), (r"\q", ";"));
    }
}
