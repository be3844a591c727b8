//! The block format: comments, and blocks of a directive, its input and what is expected.
//!
//! ```text
//! # A comment.
//! run user=maxroach
//! SELECT 1;
//! ----
//! expected, up to an empty line
//! ```
//!
//! What holds empty lines stands between two pairs of `----` lines. `file` blocks have an input that
//! ends at `----`, and nothing expected; `copy` and `restart` are a line each.

use std::ops::Range;

/// A block.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Block<'a> {
    /// Its first word.
    pub(super) directive: &'a str,
    /// The other words of its first line.
    pub(super) words: Vec<&'a str>,
    /// The lines of its input.
    pub(super) input: Vec<&'a str>,
    /// The line of the directive, from 1.
    pub(super) line: usize,
    /// What is expected, each line with its line break.
    pub(super) expected: String,
    /// The lines, from 0, of what is expected, with the `----` lines around it.
    pub(super) answer: Range<usize>,
}

/// The mark between input and what is expected.
const FENCE: &str = "----";

/// Parses a file of blocks; an error names its line.
pub(super) fn parse(text: &str) -> Result<Vec<Block<'_>>, String> {
    let lines: Vec<&str> = text.lines().collect();
    let mut blocks = Vec::new();
    let mut at = 0;
    while at < lines.len() {
        let line = lines[at].trim_end();
        if line.is_empty() || line.starts_with('#') {
            at += 1;
            continue;
        }
        let block = parse_block(&lines, at)?;
        at = block.answer.end.max(at + 1);
        blocks.push(block);
    }
    Ok(blocks)
}

fn parse_block<'a>(lines: &[&'a str], at: usize) -> Result<Block<'a>, String> {
    let mut words = lines[at].split_whitespace();
    let directive = words.next().unwrap_or_default();
    let words = words.collect();
    let mut block = Block {
        directive,
        words,
        input: Vec::new(),
        line: at + 1,
        expected: String::new(),
        answer: at + 1..at + 1,
    };
    match directive {
        "copy" | "restart" => return Ok(block),
        "file" | "run" | "parse" | "plan" => {}
        _ => return Err(format!("line {}: no directive is called \"{directive}\"", at + 1)),
    }
    let fence = (at + 1..lines.len())
        .find(|line| lines[*line] == FENCE)
        .ok_or_else(|| format!("line {}: the block has no line {FENCE}", at + 1))?;
    block.input = lines[at + 1..fence].to_vec();
    block.answer = fence..fence + 1;
    if directive != "file" {
        let end = answer_end(lines, fence, &mut block.expected)
            .ok_or_else(|| format!("line {}: the second {FENCE} pair is missing", at + 1))?;
        block.answer = fence..end;
    }
    Ok(block)
}

/// Reads what is expected behind the fence; returns the line behind it.
fn answer_end(lines: &[&str], fence: usize, expected: &mut String) -> Option<usize> {
    let is_fence = |at: usize| lines.get(at) == Some(&FENCE);
    let fenced = is_fence(fence + 1);
    let start = if fenced { fence + 2 } else { fence + 1 };
    let end = if fenced {
        (start..lines.len()).find(|at| is_fence(*at) && is_fence(at + 1))?
    } else {
        (start..lines.len()).find(|at| lines[*at].is_empty()).unwrap_or(lines.len())
    };
    for line in &lines[start..end] {
        expected.push_str(line);
        expected.push('\n');
    }
    Some(if fenced { end + 2 } else { end })
}

/// Returns `text` with the answers of its blocks replaced by what was seen.
pub(super) fn rewrite(text: &str, blocks: &[Block<'_>], seen: &[Option<String>]) -> String {
    let lines: Vec<&str> = text.lines().collect();
    let mut out = String::with_capacity(text.len());
    let mut copied = 0;
    let copy = |range: Range<usize>, out: &mut String| {
        for line in &lines[range] {
            out.push_str(line);
            out.push('\n');
        }
    };
    for (block, seen) in blocks.iter().zip(seen) {
        let Some(seen) = seen.as_ref().filter(|seen| **seen != block.expected) else { continue };
        copy(copied..block.answer.start, &mut out);
        out.push_str(&answer(seen));
        copied = block.answer.end;
    }
    copy(copied..lines.len(), &mut out);
    out
}

fn answer(seen: &str) -> String {
    let needs_fences = seen.lines().any(str::is_empty) || seen.starts_with(FENCE);
    if needs_fences {
        format!("{FENCE}\n{FENCE}\n{seen}{FENCE}\n{FENCE}\n")
    } else {
        format!("{FENCE}\n{seen}")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const TEXT: &str = "# Claim.\nfile a.csv\n1,a\n\n2,b\n----\n\nrun user=x\nSELECT 1;\n----\none\n\n\
                        # More.\nrestart read-only\n\nrun\n\\d\n----\n----\na\n\nb\n----\n----\n\nrun\n;\n----\n";

    #[test]
    fn reads_blocks() {
        let blocks = parse(TEXT).unwrap();
        let seen: Vec<_> = blocks
            .iter()
            .map(|block| (block.directive, block.line, block.input.len(), block.expected.as_str()))
            .collect();
        assert_eq!(
            seen,
            [
                ("file", 2, 3, ""),
                ("run", 8, 1, "one\n"),
                ("restart", 14, 0, ""),
                ("run", 16, 1, "a\n\nb\n"),
                ("run", 26, 1, ""),
            ]
        );
        assert_eq!(blocks[1].words, ["user=x"]);
    }

    #[test]
    fn refuses_what_is_no_block() {
        assert!(parse("jump\n").unwrap_err().starts_with("line 1: "));
        assert!(parse("\nrun\nSELECT 1;\n").unwrap_err().starts_with("line 2: "));
    }

    #[test]
    fn rewrites_answers_only() {
        let blocks = parse(TEXT).unwrap();
        let same: Vec<_> = blocks.iter().map(|block| Some(block.expected.clone())).collect();
        assert_eq!(rewrite(TEXT, &blocks, &same), TEXT);
        let seen = [None, Some("x\n\ny\n".into()), None, Some("z\n".into()), Some("w\n".into())];
        let changed = rewrite(TEXT, &blocks, &seen);
        assert_eq!(
            changed,
            "# Claim.\nfile a.csv\n1,a\n\n2,b\n----\n\nrun user=x\nSELECT 1;\n----\n----\nx\n\ny\n----\n----\n\n\
             # More.\nrestart read-only\n\nrun\n\\d\n----\nz\n\nrun\n;\n----\nw\n"
        );
        let again = parse(&changed).unwrap();
        assert_eq!(again[1].expected, "x\n\ny\n");
    }
}
