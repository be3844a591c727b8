//! The difference of two texts, line by line.

/// Texts with more lines than this are shown one after the other.
const LONGEST: usize = 2_000;
/// How many equal lines are shown around a difference.
const AROUND: usize = 3;

/// Returns the lines of both texts, marked ` ` if equal, `-` if only expected and `+` if only seen.
pub(super) fn lines(expected: &str, actual: &str) -> String {
    let (old, new): (Vec<_>, Vec<_>) = (expected.lines().collect(), actual.lines().collect());
    let marked = if old.len().max(new.len()) > LONGEST {
        old.iter().map(|line| ('-', *line)).chain(new.iter().map(|line| ('+', *line))).collect()
    } else {
        compare(&old, &new)
    };
    print(&marked)
}

/// Marks lines by the longest common subsequence.
fn compare<'a>(old: &[&'a str], new: &[&'a str]) -> Vec<(char, &'a str)> {
    // common[i][j]: how many lines old[i..] and new[j..] have in common.
    let mut common = vec![vec![0_u16; new.len() + 1]; old.len() + 1];
    for i in (0..old.len()).rev() {
        for j in (0..new.len()).rev() {
            common[i][j] = if old[i] == new[j] {
                common[i + 1][j + 1] + 1
            } else {
                common[i + 1][j].max(common[i][j + 1])
            };
        }
    }
    let (mut i, mut j) = (0, 0);
    let mut marked = Vec::with_capacity(old.len() + new.len());
    while i < old.len() || j < new.len() {
        if i < old.len() && j < new.len() && old[i] == new[j] {
            marked.push((' ', old[i]));
            (i, j) = (i + 1, j + 1);
        } else if j == new.len() || (i < old.len() && common[i + 1][j] >= common[i][j + 1]) {
            marked.push(('-', old[i]));
            i += 1;
        } else {
            marked.push(('+', new[j]));
            j += 1;
        }
    }
    marked
}

/// Prints marked lines, long runs of equal ones cut.
fn print(marked: &[(char, &str)]) -> String {
    let near = |at: usize| {
        let range = at.saturating_sub(AROUND)..(at + AROUND + 1).min(marked.len());
        marked[range].iter().any(|(mark, _)| *mark != ' ')
    };
    let mut text = String::new();
    let mut cut = false;
    for (at, (mark, line)) in marked.iter().enumerate() {
        if near(at) {
            text += &format!("{mark}{line}\n");
            cut = false;
        } else if !cut {
            text += " ...\n";
            cut = true;
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use super::lines;

    #[test]
    fn marks_what_differs() {
        assert_eq!(lines("a\nb\nc\n", "a\nx\nc\nd\n"), " a\n-b\n+x\n c\n+d\n");
        assert_eq!(lines("a\n", "a\n"), " ...\n");
        assert_eq!(lines("1\n2\n3\n4\n5\nx\n", "1\n2\n3\n4\n5\n"), " ...\n 3\n 4\n 5\n-x\n");
    }
}
