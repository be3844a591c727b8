//! Wildcards in the last element of a path: `*`, `?`, `[a-z]`, `[^a]`, and `\` before a character that
//! means itself.
//!
//! A bracket that is never closed stands for itself, as in a shell.

/// A pattern for names.
#[derive(Debug)]
pub(super) struct Pattern(Vec<Part>);

#[derive(Debug)]
enum Part {
    /// This character.
    Literal(char),
    /// Any one character.
    One,
    /// Any characters, or none.
    Any,
    /// One character inside (or, if `negated`, outside) the ranges.
    Class { negated: bool, ranges: Vec<(char, char)> },
}

impl Pattern {
    /// Parses a name; returns `None` if it has no wildcards.
    pub(super) fn parse(name: &str) -> Option<Self> {
        let characters: Vec<char> = name.chars().collect();
        let mut parts = Vec::new();
        let mut at = 0;
        let mut wild = false;
        while let Some(&character) = characters.get(at) {
            at += 1;
            let part = match character {
                '*' => Part::Any,
                '?' => Part::One,
                '[' => match parse_class(&characters[at..]) {
                    Some((class, length)) => {
                        at += length;
                        class
                    }
                    None => Part::Literal('['),
                },
                '\\' if at < characters.len() => {
                    at += 1;
                    Part::Literal(characters[at - 1])
                }
                other => Part::Literal(other),
            };
            wild |= !matches!(part, Part::Literal(_));
            parts.push(part);
        }
        wild.then_some(Self(parts))
    }

    /// Returns what every name that fits begins with.
    pub(super) fn literal_start(&self) -> String {
        let literal = |part: &Part| match part {
            Part::Literal(character) => Some(*character),
            _ => None,
        };
        self.0.iter().map_while(literal).collect()
    }

    /// Returns whether the whole of `name` fits the pattern.
    pub(super) fn matches(&self, name: &str) -> bool {
        let name: Vec<char> = name.chars().collect();
        let (mut part, mut at) = (0, 0);
        // Where to go on when a try fails: behind the last star, one character further.
        let mut retry: Option<(usize, usize)> = None;
        loop {
            match (self.0.get(part), name.get(at)) {
                (None, None) => return true,
                (Some(Part::Any), _) => {
                    retry = Some((part + 1, at));
                    part += 1;
                    continue;
                }
                (Some(wanted), Some(&character)) if wanted.fits(character) => {
                    part += 1;
                    at += 1;
                    continue;
                }
                _ => {}
            }
            match retry {
                Some((star, from)) if from < name.len() => {
                    retry = Some((star, from + 1));
                    (part, at) = (star, from + 1);
                }
                _ => return false,
            }
        }
    }
}

impl Part {
    fn fits(&self, character: char) -> bool {
        match self {
            Self::Literal(literal) => *literal == character,
            Self::One | Self::Any => true,
            Self::Class { negated, ranges } => {
                ranges.iter().any(|(low, high)| (low..=high).contains(&&character)) != *negated
            }
        }
    }
}

/// Parses what follows `[`; returns the class and how many characters it took, `]` included.
fn parse_class(characters: &[char]) -> Option<(Part, usize)> {
    let negated = characters.first() == Some(&'^');
    let mut at = usize::from(negated);
    let mut ranges = Vec::new();
    while ranges.is_empty() || characters.get(at) != Some(&']') {
        let low = class_character(characters, &mut at)?;
        let mut high = low;
        if characters.get(at) == Some(&'-') && characters.get(at + 1).is_some_and(|c| *c != ']') {
            at += 1;
            high = class_character(characters, &mut at)?;
        }
        ranges.push((low, high));
    }
    Some((Part::Class { negated, ranges }, at + 1))
}

fn class_character(characters: &[char], at: &mut usize) -> Option<char> {
    if characters.get(*at) == Some(&'\\') {
        *at += 1;
    }
    *at += 1;
    characters.get(*at - 1).copied()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(pattern: &str, name: &str, expected: bool) {
        let parsed = Pattern::parse(pattern).expect("the pattern has wildcards");
        assert_eq!(parsed.matches(name), expected, "{pattern} {name}");
    }

    #[test]
    fn matches_as_a_shell_does() {
        check("*", "", true);
        check("*.csv", "a.csv", true);
        check("*.csv", "a.csv.gz", false);
        check("a*b*c", "aXbYbc", true);
        check("a*b*c", "aXbYb", false);
        check("?.csv", "\u{e9}.csv", true);
        check("?.csv", ".csv", false);
        check("data-[0-9][0-9]*", "data-12.csv", true);
        check("data-[0-9][0-9]*", "data-1.csv", false);
        check("[^a-c]x", "dx", true);
        check("[^a-c]x", "bx", false);
        check("[]]x*", "]x", true);
        check("[a-]x*", "-x", true);
        check("\\*?", "*a", true);
        check("\\*?", "ba", false);
        check("[\\]]*", "]", true);
        check("*[", "a[", true);
    }

    #[test]
    fn needs_a_wildcard_to_be_a_pattern() {
        for name in ["a.csv", "a[1.csv", "\\*", "", "a]"] {
            assert!(Pattern::parse(name).is_none(), "{name}");
        }
    }

    #[test]
    fn takes_no_exponential_time() {
        let pattern = "a*".repeat(50) + "b";
        check(&pattern, &"a".repeat(5_000), false);
    }
}
