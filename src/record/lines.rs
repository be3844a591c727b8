//! Physical lines and the byte order mark: what a caller needs besides records.

/// Returns the number of line feeds in `bytes`.
pub fn count_lines(bytes: &[u8]) -> u64 {
    count_line_ends(bytes, b'\n')
}

/// Returns the number of lines in `bytes` that end with `line_end`.
pub fn count_line_ends(bytes: &[u8], line_end: u8) -> u64 {
    memchr::memchr_iter(line_end, bytes).count() as u64
}

/// Returns whether the lines of a file that starts with `head` end with carriage returns alone.
pub fn ends_lines_with_carriage_returns(head: &[u8]) -> bool {
    memchr::memchr(b'\n', head).is_none() && memchr::memchr(b'\r', head).is_some()
}

/// Returns the number of line feeds in `bytes` before `offset`; the physical line of that byte is
/// one more, if `bytes` starts at line 1.
pub fn count_lines_to(bytes: &[u8], offset: usize) -> u64 {
    count_lines(&bytes[..offset.min(bytes.len())])
}

/// Returns how many bytes of a byte order mark stand at the start of a file: 3 or 0.
pub fn strip_bom(bytes: &[u8]) -> usize {
    if bytes.starts_with(b"\xef\xbb\xbf") { 3 } else { 0 }
}

/// Returns the number of characters in `bytes`, each byte that is not UTF-8 counting as one.
pub(super) fn count_characters(bytes: &[u8]) -> usize {
    bytes.utf8_chunks().map(|chunk| chunk.valid().chars().count() + chunk.invalid().len()).sum()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn counts_line_feeds_up_to_an_offset() {
        assert_eq!(count_lines(b"a\nb\r\n\n"), 3);
        assert_eq!(count_lines_to(b"a\nb\nc", 2), 1);
        assert_eq!(count_lines_to(b"a\nb\nc", 99), 2);
    }

    #[test]
    fn knows_files_of_carriage_returns() {
        assert!(ends_lines_with_carriage_returns(b"a,b\rc,d\r"));
        assert!(!ends_lines_with_carriage_returns(b"a,b\r\nc,d\r"));
        assert!(!ends_lines_with_carriage_returns(b"a,b"));
        assert_eq!(count_line_ends(b"a\rb\nc\r", b'\r'), 2);
    }

    #[test]
    fn finds_a_byte_order_mark_only_at_the_start() {
        assert_eq!(strip_bom(b"\xef\xbb\xbfa"), 3);
        assert_eq!(strip_bom(b"a\xef\xbb\xbf"), 0);
        assert_eq!(strip_bom(b"\xef\xbb"), 0);
    }

    #[test]
    fn counts_a_wrong_byte_as_a_character() {
        assert_eq!(count_characters("a\u{e9}b".as_bytes()), 3);
        assert_eq!(count_characters(b"a\xff\xe2\x82b"), 5);
    }
}
