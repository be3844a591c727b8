//! Texts and bytes on their way into a page: views, and the order of their bytes.

use std::sync::Arc;

use arrow::array::{Array, ArrayRef, AsArray, BinaryViewArray};
use arrow::buffer::{Buffer, NullBuffer, ScalarBuffer};
use arrow::datatypes::DataType;

/// The longest text that a view holds in itself.
pub(super) const INLINE: usize = 12;

/// The texts of an array that are not NULL.
#[derive(Debug)]
pub(super) struct Texts {
    /// Length, then the text itself or its first four bytes, buffer and offset.
    views: ScalarBuffer<u128>,
    /// The bytes of long texts.
    buffers: Arc<[Buffer]>,
}

impl Texts {
    /// Returns the texts or bytes of an array of `Utf8View` or `Binary`.
    pub(super) fn of(values: &ArrayRef) -> Self {
        let (views, buffers) = if *values.data_type() == DataType::Binary {
            let views = BinaryViewArray::from(values.as_binary::<i32>());
            (views.views().clone(), views.data_buffers().into())
        } else {
            let views = values.as_string_view();
            (views.views().clone(), views.data_buffers().into())
        };
        match values.nulls().filter(|nulls| nulls.null_count() > 0) {
            Some(nulls) => Self { views: present(&views, nulls), buffers },
            None => Self { views, buffers },
        }
    }

    /// Returns the views.
    pub(super) fn views(&self) -> &[u128] {
        &self.views
    }

    /// Returns the bytes of the text at `index`.
    #[inline]
    pub(super) fn bytes(&self, index: usize) -> &[u8] {
        let view = self.views[index];
        let length = length(view);
        if length <= INLINE {
            let at = index * size_of::<u128>() + 4;
            &self.views.inner().as_slice()[at..at + length]
        } else {
            let (buffer, start) = place(view);
            &self.buffers[buffer].as_slice()[start..start + length]
        }
    }

    /// Returns the smallest and the largest text by the order of their bytes.
    pub(super) fn bounds(&self) -> Option<(&[u8], &[u8])> {
        let (mut low, mut high) = (0, 0);
        let (mut lowest, mut highest) = (prefix(*self.views.first()?), prefix(self.views[0]));
        for (index, view) in self.views.iter().enumerate() {
            // Most texts differ from the bounds in their first bytes.
            let prefix = prefix(*view);
            if prefix <= lowest && self.bytes(index) < self.bytes(low) {
                (low, lowest) = (index, prefix);
            }
            if prefix >= highest && self.bytes(index) > self.bytes(high) {
                (high, highest) = (index, prefix);
            }
        }
        Some((self.bytes(low), self.bytes(high)))
    }

    /// Appends the bytes of all texts, one after the other.
    pub(super) fn append_bytes(&self, out: &mut Vec<u8>) {
        let total: usize = self.views.iter().map(|view| length(*view)).sum();
        let (start, end) = (out.len(), out.len() + total);
        out.resize(end + CHUNK, 0);
        let target = &mut out[start..];
        let mut at = 0;
        for (index, view) in self.views.iter().enumerate() {
            let length = length(*view);
            // A copy of a fixed size costs less than a call; what is too much is written over.
            if length <= INLINE {
                target[at..at + size_of::<u128>()].copy_from_slice(&(view >> 32).to_le_bytes());
            } else {
                let (buffer, start) = place(*view);
                let rest = &self.buffers[buffer].as_slice()[start..];
                match rest.first_chunk::<CHUNK>() {
                    Some(chunk) if length <= CHUNK => {
                        target[at..at + CHUNK].copy_from_slice(chunk);
                    }
                    _ => target[at..at + length].copy_from_slice(self.bytes(index)),
                }
            }
            at += length;
        }
        out.truncate(end);
    }
}

/// How many bytes of a short text are copied at once.
const CHUNK: usize = 32;

/// Returns the views of values that are not NULL.
fn present(views: &[u128], nulls: &NullBuffer) -> ScalarBuffer<u128> {
    nulls.valid_indices().map(|index| views[index]).collect()
}

/// Returns the length of a text in bytes: the lowest of the four numbers that a view is.
#[inline]
pub(super) fn length(view: u128) -> usize {
    let [a, b, c, d, ..] = view.to_le_bytes();
    u32::from_le_bytes([a, b, c, d]) as usize
}

/// Returns the first four bytes of a text as a number that compares as they do.
#[inline]
fn prefix(view: u128) -> u32 {
    let [_, _, _, _, a, b, c, d, ..] = view.to_le_bytes();
    u32::from_be_bytes([a, b, c, d])
}

/// Returns the buffer and the offset of a long text.
#[inline]
fn place(view: u128) -> (usize, usize) {
    (length(view >> 64), length(view >> 96))
}

#[cfg(test)]
mod tests {
    use arrow::array::{BinaryArray, StringViewArray};
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn texts_are_those_of_the_array(
            values in prop::collection::vec(prop::option::of("[a-c\u{e9}]{0,40}"), 0..20),
        ) {
            let views: ArrayRef = Arc::new(values.iter().map(Option::as_deref).collect::<StringViewArray>());
            let bytes = values.iter().map(|value| value.as_ref().map(String::as_bytes)).collect();
            let bytes: ArrayRef = Arc::new(BinaryArray::from_opt_vec(bytes));
            let expected: Vec<&[u8]> =
                values.iter().flatten().map(String::as_bytes).collect();
            for array in [views, bytes] {
                let texts = Texts::of(&array);
                let found: Vec<&[u8]> = (0..texts.views().len()).map(|i| texts.bytes(i)).collect();
                prop_assert_eq!(&found, &expected);
                let bounds = expected.iter().min().copied().zip(expected.iter().max().copied());
                prop_assert_eq!(texts.bounds(), bounds);
                let mut out = b"before".to_vec();
                texts.append_bytes(&mut out);
                prop_assert_eq!(out, [b"before".as_slice(), &expected.concat()].concat());
            }
        }
    }
}
