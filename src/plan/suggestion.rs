//! "Did you mean": the known name that is closest to one that does not exist.

use crate::error::Error;

/// Returns the known name that differs from `wrong` by a typing error or two, if there is one.
pub(super) fn closest<'a>(
    wrong: &str,
    known: impl IntoIterator<Item = &'a str>,
) -> Option<&'a str> {
    let wrong = wrong.to_lowercase();
    // A name of one or two letters is close to too many others.
    let most = wrong.chars().count() / 3;
    known
        .into_iter()
        .map(|name| (strsim::damerau_levenshtein(&wrong, &name.to_lowercase()), name))
        .filter(|(distance, _)| *distance <= most)
        .min()
        .map(|(_, name)| name)
}

/// Adds the hint `Did you mean "x"?` if a known name is close to `wrong`.
pub(super) fn did_you_mean<'a>(
    error: Error,
    wrong: &str,
    known: impl IntoIterator<Item = &'a str>,
) -> Error {
    match closest(wrong, known) {
        Some(name) => error.hint(format!("Did you mean \"{name}\"?")),
        None => error,
    }
}

#[cfg(test)]
mod tests {
    use super::closest;

    #[test]
    fn finds_a_name_with_a_typing_error() {
        assert_eq!(closest("delimeter", ["temp", "delimiter"]), Some("delimiter"));
        assert_eq!(closest("SELCT", ["SELECT", "DELETE"]), Some("SELECT"));
        assert_eq!(closest("Temp", ["temp"]), Some("temp"));
    }

    #[test]
    fn finds_nothing_far_away() {
        assert_eq!(closest("foo", ["temp", "skip"]), None);
        assert_eq!(closest("z", ["a"]), None);
    }
}
