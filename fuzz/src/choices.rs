//! The first bytes of an input choose among settings; the rest is the text that is read.

/// Bytes that choices are made by. Where they end, every choice is the first.
pub(crate) struct Choices<'a>(&'a [u8]);

impl<'a> Choices<'a> {
    pub(crate) fn new(data: &'a [u8]) -> Self {
        Self(data)
    }

    fn byte(&mut self) -> u8 {
        let (first, rest) = self.0.split_first().unwrap_or((&0, &[]));
        self.0 = rest;
        *first
    }

    /// Returns a number below `end`, which is at most 256.
    pub(crate) fn below(&mut self, end: usize) -> usize {
        usize::from(self.byte()) % end
    }

    pub(crate) fn one_of<T: Copy>(&mut self, values: &[T]) -> T {
        values[self.below(values.len())]
    }

    /// Returns how many bytes the pieces of a file have, at first.
    pub(crate) fn size(&mut self) -> usize {
        match self.byte() {
            0 => usize::MAX,
            size => usize::from(size),
        }
    }

    pub(crate) fn rest(self) -> &'a [u8] {
        self.0
    }
}
