//! Numbers and byte strings written one behind the other, and read again: the form of what
//! checkpoints keep.

/// What is written.
#[derive(Debug, Default)]
pub(crate) struct Output(pub(crate) Vec<u8>);

impl Output {
    /// Writes a number.
    pub(crate) fn u64(&mut self, number: u64) {
        self.0.extend(number.to_le_bytes());
    }

    /// Writes a count.
    pub(crate) fn count(&mut self, count: usize) {
        self.u64(count as u64);
    }

    /// Writes a wide number.
    pub(crate) fn i128(&mut self, number: i128) {
        self.0.extend(number.to_le_bytes());
    }

    /// Writes a truth value.
    pub(crate) fn bool(&mut self, value: bool) {
        self.0.push(u8::from(value));
    }

    /// Writes bytes with their count before them.
    pub(crate) fn bytes(&mut self, bytes: &[u8]) {
        self.count(bytes.len());
        self.0.extend(bytes);
    }
}

/// What is read, from the front; everything gives nothing when the bytes end too early.
#[derive(Debug)]
pub(crate) struct Input<'a>(pub(crate) &'a [u8]);

impl<'a> Input<'a> {
    fn take(&mut self, count: usize) -> Option<&'a [u8]> {
        let (head, rest) = self.0.split_at_checked(count)?;
        self.0 = rest;
        Some(head)
    }

    /// Reads a number.
    pub(crate) fn u64(&mut self) -> Option<u64> {
        Some(u64::from_le_bytes(self.take(8)?.try_into().ok()?))
    }

    /// Reads a count of things in memory.
    pub(crate) fn count(&mut self) -> Option<usize> {
        usize::try_from(self.u64()?).ok()
    }

    /// Reads a wide number.
    pub(crate) fn i128(&mut self) -> Option<i128> {
        Some(i128::from_le_bytes(self.take(16)?.try_into().ok()?))
    }

    /// Reads a truth value.
    pub(crate) fn bool(&mut self) -> Option<bool> {
        match self.take(1)? {
            [0] => Some(false),
            [1] => Some(true),
            _ => None,
        }
    }

    /// Reads bytes.
    pub(crate) fn bytes(&mut self) -> Option<&'a [u8]> {
        let count = self.count()?;
        self.take(count)
    }

    /// Reads a text.
    pub(crate) fn text(&mut self) -> Option<String> {
        String::from_utf8(self.bytes()?.to_vec()).ok()
    }

    /// Reads a list, of which `one` reads one element.
    pub(crate) fn list<T>(
        &mut self,
        mut one: impl FnMut(&mut Self) -> Option<T>,
    ) -> Option<Vec<T>> {
        let count = self.count()?;
        (0..count).map(|_| one(self)).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_what_was_written_and_nothing_of_a_part() {
        let mut out = Output::default();
        out.u64(7);
        out.i128(-3);
        out.bool(true);
        out.bytes(b"abc");
        out.count(2);
        out.u64(1);
        out.u64(2);
        let read = |bytes: &[u8]| -> Option<()> {
            let mut input = Input(bytes);
            assert_eq!(input.u64()?, 7);
            assert_eq!(input.i128()?, -3);
            assert!(input.bool()?);
            assert_eq!(input.text()?, "abc");
            assert_eq!(input.list(Input::u64)?, [1, 2]);
            Some(())
        };
        assert_eq!(read(&out.0), Some(()));
        assert!((0..out.0.len()).all(|end| read(&out.0[..end]).is_none()));
    }
}
