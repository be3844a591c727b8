//! Texts of one column while rows are sorted: Arrow's views, whose long texts stand in one heap.
//!
//! In a block: the lengths as numbers, then all bytes.

use std::ops::Range;
use std::sync::Arc;

use arrow::array::{Array, ArrayRef, StringViewArray};
use arrow::buffer::{Buffer, NullBuffer, ScalarBuffer};
use arrow::datatypes::ToByteSlice;

use super::word;
use crate::error::{Error, Result};

/// The longest text that a view holds in itself.
pub(super) const INLINE: usize = 12;

/// Texts in the order of their rows.
#[derive(Default)]
pub(super) struct Texts {
    /// As Arrow's, of a single buffer.
    views: Vec<u128>,
    /// The bytes of long texts, among others.
    heap: Vec<u8>,
    /// The heap, once arrays refer to it.
    frozen: Option<Buffer>,
}

/// Returns the length of a view's text.
pub(super) fn length(view: u128) -> usize {
    #[expect(clippy::cast_possible_truncation, reason = "the low 32 bits are the length")]
    let length = view as u32;
    length as usize
}

/// Returns where the text of a long view starts.
fn start(view: u128) -> usize {
    (view >> 96) as usize
}

/// Returns the view of a text that is held in itself.
fn inline_view(bytes: &[u8]) -> u128 {
    let mut word = [0; 16];
    word[4..4 + bytes.len()].copy_from_slice(bytes);
    u128::from_le_bytes(word) | bytes.len() as u128
}

/// Returns the view of a long text at `start` of the heap.
fn long_view(bytes: &[u8], start: usize) -> u128 {
    let prefix = bytes.first_chunk::<4>().map_or(0, |prefix| u32::from_le_bytes(*prefix));
    bytes.len() as u128 | u128::from(prefix) << 32 | (start as u128) << 96
}

impl Texts {
    pub(super) fn clear(&mut self) {
        self.views.clear();
        self.heap.clear();
        self.frozen = None;
    }

    pub(super) fn reserve(&mut self, rows: usize, text: usize) {
        self.views.reserve(rows);
        self.heap.reserve(rows * text);
    }

    pub(super) fn bytes(&self) -> usize {
        size_of_val(self.views.as_slice()) + self.heap_bytes()
    }

    pub(super) fn heap_bytes(&self) -> usize {
        self.frozen.as_ref().map_or(self.heap.len(), Buffer::len)
    }

    pub(super) fn views(&self) -> &[u128] {
        &self.views
    }

    fn heap(&self) -> &[u8] {
        self.frozen.as_ref().map_or(self.heap.as_slice(), Buffer::as_slice)
    }

    /// Returns the bytes of a text.
    pub(super) fn get(&self, row: usize) -> &[u8] {
        // The view of a short text is the text itself.
        let view = &self.views[row];
        let length = length(*view);
        if length > INLINE {
            return &self.heap()[start(*view)..start(*view) + length];
        }
        inline_bytes(view, length)
    }

    /// Appends a text.
    pub(super) fn push(&mut self, bytes: &[u8]) {
        let view = if bytes.len() > INLINE {
            let start = self.heap.len();
            self.heap.extend_from_slice(bytes);
            long_view(bytes, start)
        } else {
            inline_view(bytes)
        };
        self.views.push(view);
    }

    /// Appends the texts of an array; NULL becomes the empty text.
    pub(super) fn append_views(&mut self, array: &StringViewArray) {
        let buffers = array.data_buffers();
        let Self { views, heap, .. } = self;
        views.extend(array.views().iter().enumerate().map(|(row, &view)| {
            let length = length(view);
            if length <= INLINE {
                return view;
            }
            if array.is_null(row) {
                return 0;
            }
            let begin = heap.len();
            #[expect(clippy::cast_possible_truncation, reason = "these 32 bits are the buffer")]
            let buffer = &buffers[(view >> 64) as u32 as usize];
            heap.extend_from_slice(&buffer[start(view)..start(view) + length]);
            view & u128::from(u64::MAX) | (begin as u128) << 96
        }));
    }

    /// Appends the form of the texts `order`.
    pub(super) fn put(&self, order: &[u32], out: &mut Vec<u8>) {
        let views: Vec<u128> = order.iter().map(|row| self.views[*row as usize]).collect();
        #[expect(clippy::cast_possible_truncation, reason = "the low 32 bits are the length")]
        let lengths: Vec<i32> = views.iter().map(|view| *view as i32).collect();
        word::put(&lengths, out);
        let total: usize = views.iter().map(|view| length(*view)).sum();
        // Short texts are copied as twelve bytes and cut, which costs less than counting.
        out.reserve(total + INLINE);
        let heap = self.heap();
        for view in &views {
            let length = length(*view);
            let end = out.len() + length;
            if length > INLINE {
                out.extend_from_slice(&heap[start(*view)..start(*view) + length]);
            } else {
                out.extend_from_slice(&(*view >> 32).to_le_bytes()[..INLINE]);
                out.truncate(end);
            }
        }
    }

    /// Appends the texts `rows` of a form that holds `count`.
    pub(super) fn take(
        &mut self,
        bytes: &[u8],
        count: usize,
        rows: Range<usize>,
        utf8: bool,
    ) -> Result {
        let mut lengths: Vec<i32> = Vec::with_capacity(count);
        let bytes = word::take(bytes, count, 0..count, &mut lengths);
        #[expect(clippy::cast_sign_loss, reason = "a length is stored by its bits")]
        let size = |length: &i32| *length as u32 as usize;
        let skipped: usize = lengths[..rows.start].iter().map(size).sum();
        let bytes = &bytes[skipped..];
        let begin = self.heap.len();
        let mut at = 0;
        let mut any_long = false;
        let taken = rows.len();
        self.views.extend(lengths[rows].iter().map(|length| {
            let length = size(length);
            let rest = &bytes[at..];
            let view = if length > INLINE {
                any_long = true;
                long_view(&rest[..length], begin + at)
            } else if let Some(word) = rest.first_chunk::<16>() {
                let kept = u128::from_le_bytes(*word) & !(u128::MAX << (8 * length));
                kept << 32 | length as u128
            } else {
                inline_view(&rest[..length])
            };
            at += length;
            view
        }));
        if any_long {
            self.heap.extend_from_slice(&bytes[..at]);
        }
        if utf8 && !bytes[..at].is_ascii() {
            let texts = self.views.len() - taken..self.views.len();
            if !texts.into_iter().all(|row| std::str::from_utf8(self.get(row)).is_ok()) {
                return Err(Error::internal("a text of a run is no text"));
            }
        }
        Ok(())
    }

    /// Makes the heap ready to be shared with arrays; nothing is appended until `clear`.
    pub(super) fn freeze(&mut self) {
        let heap = std::mem::take(&mut self.heap);
        self.frozen.get_or_insert_with(|| Buffer::from_vec(heap));
    }

    /// Returns the texts `order` as an array, which shares the heap if that is frozen.
    pub(super) fn gather(&self, order: &[u32], nulls: Option<NullBuffer>) -> ArrayRef {
        let Some(buffer) = self.frozen.clone() else {
            let mut copy = Self::default();
            for row in order {
                copy.push(self.get(*row as usize));
            }
            copy.freeze();
            let all: Vec<u32> = (0..).take(order.len()).collect();
            return copy.gather(&all, nulls);
        };
        let views: Vec<u128> = order.iter().map(|row| self.views[*row as usize]).collect();
        let buffers = if buffer.is_empty() { Vec::new() } else { vec![buffer] };
        let views = ScalarBuffer::from(views);
        #[expect(unsafe_code, reason = "checking every text again takes a tenth of a merge")]
        // SAFETY: views come from valid arrays (`append_views`), whose texts are copied as they are, or
        // from `push` and `take`, which make them of bytes that they hold; only texts that were valid are
        // pushed where strings are gathered, and `take` checks that each text of a block is UTF-8. Long texts stand in the one buffer at the offsets noted here.
        let array = unsafe { StringViewArray::new_unchecked(views, buffers, nulls) };
        Arc::new(array)
    }
}

/// Returns the text that stands in its view.
fn inline_bytes(view: &u128, length: usize) -> &[u8] {
    &std::slice::from_ref(view).to_byte_slice()[4..4 + length]
}
