//! Dictionaries of a column chunk: values to the order of their first appearance.
//!
//! Integers of a narrow range are looked up in a table by value, texts in a hash table of views.
//! Either gives up when values turn out to be many; what was encoded until then stays.

use super::packing::Integer;
use super::texts::{INLINE, Texts, length};

/// The most values of a dictionary.
pub(super) const MOST_VALUES: usize = 4096;

/// The widest range of integers that a dictionary is made for.
pub(super) const WIDEST_RANGE: u64 = 1 << 16;

/// The most bytes of texts in a dictionary.
const MOST_BYTES: usize = 256 << 10;

/// The slots that the hash table of texts begins with; it stays half empty.
const FEWEST_SLOTS: usize = 64;

/// No code yet.
const NONE: u16 = u16::MAX;

/// A dictionary of integers.
#[derive(Debug)]
pub(super) struct IntegerDictionary<T> {
    /// The value that the first entry of `codes` is for.
    base: i64,
    /// The code of each value from `base` on.
    codes: Vec<u16>,
    /// The value of each code.
    pub(super) values: Vec<T>,
}

impl<T: Integer> IntegerDictionary<T> {
    pub(super) fn new() -> Self {
        Self { base: 0, codes: Vec::new(), values: Vec::new() }
    }

    /// Appends the code of each value, all in `low..=high`; returns `false` if they are too many.
    pub(super) fn encode(&mut self, values: &[T], (low, high): (T, T), out: &mut Vec<u32>) -> bool {
        if !self.cover(low.into(), high.into()) {
            return false;
        }
        out.reserve(values.len() + 8);
        for value in values {
            let place = usize::try_from((*value).into().wrapping_sub(self.base)).unwrap_or(0);
            let mut code = self.codes[place];
            if code == NONE {
                if self.values.len() == MOST_VALUES {
                    return false;
                }
                code = self.add(place, *value);
            }
            out.push(u32::from(code));
        }
        true
    }

    /// Makes the table wide enough; returns `false` if it would become too wide.
    fn cover(&mut self, low: i64, high: i64) -> bool {
        let (low, high) = if self.codes.is_empty() {
            (low, high)
        } else {
            let last = self.base.saturating_add(i64::try_from(self.codes.len() - 1).unwrap_or(0));
            (low.min(self.base), high.max(last))
        };
        let Some(width) = high.checked_sub(low).and_then(|width| u64::try_from(width).ok()) else {
            return false;
        };
        if width >= WIDEST_RANGE {
            return false;
        }
        let before = usize::try_from(self.base.wrapping_sub(low)).unwrap_or(0);
        if before > 0 && !self.codes.is_empty() {
            self.codes.splice(0..0, std::iter::repeat_n(NONE, before));
        }
        self.codes.resize(usize::try_from(width).unwrap_or(0) + 1, NONE);
        self.base = low;
        true
    }

    #[cold]
    fn add(&mut self, place: usize, value: T) -> u16 {
        let code = u16::try_from(self.values.len()).unwrap_or(NONE);
        self.codes[place] = code;
        self.values.push(value);
        code
    }
}

/// A dictionary of texts or bytes.
#[derive(Debug)]
pub(super) struct TextDictionary {
    /// Key and code (from 1; 0 is an empty slot) by hash.
    slots: Vec<(u128, u32)>,
    /// The bytes of all values.
    bytes: Vec<u8>,
    /// Where each value ends in `bytes`.
    ends: Vec<usize>,
    /// The codes (from 1) of values of one byte, which flags are.
    flags: [u32; 256],
}

impl TextDictionary {
    pub(super) fn new() -> Self {
        Self {
            slots: vec![(0, 0); FEWEST_SLOTS],
            bytes: Vec::new(),
            ends: Vec::new(),
            flags: [0; 256],
        }
    }

    /// Returns the number of values.
    pub(super) fn len(&self) -> usize {
        self.ends.len()
    }

    /// Returns the values in the order of their codes.
    pub(super) fn values(&self) -> impl Iterator<Item = &[u8]> {
        let starts = std::iter::once(0).chain(self.ends.iter().copied());
        starts.zip(&self.ends).map(|(start, end)| &self.bytes[start..*end])
    }

    /// Appends the code of each text; returns `false` if they are too many.
    pub(super) fn encode(&mut self, texts: &Texts, out: &mut Vec<u32>) -> bool {
        out.reserve(texts.views().len() + 8);
        for (index, view) in texts.views().iter().enumerate() {
            let [.., flag, _, _, _, _, _, _, _, _, _, _, _] = view.to_le_bytes();
            let flag = (length(*view) == 1).then_some(usize::from(flag));
            if let Some(code @ 1..) = flag.map(|flag| self.flags[flag]) {
                out.push(code - 1);
                continue;
            }
            let Some(code) = self.code(texts, index, *view) else { return false };
            if let Some(flag) = flag {
                self.flags[flag] = code;
            }
            out.push(code - 1);
        }
        true
    }

    /// Returns the code, from 1, of a text; nothing if there are too many.
    #[inline]
    fn code(&mut self, texts: &Texts, index: usize, view: u128) -> Option<u32> {
        let long = length(view) > INLINE;
        let key = if long { long_key(view, texts.bytes(index)) } else { view };
        let mut slot = self.slot_of(key);
        loop {
            let (found, code) = self.slots[slot];
            if code == 0 {
                if self.ends.len() == MOST_VALUES || self.bytes.len() > MOST_BYTES {
                    return None;
                }
                return Some(self.add(slot, key, texts.bytes(index)));
            }
            if found == key && (!long || self.value(code) == texts.bytes(index)) {
                return Some(code);
            }
            slot = (slot + 1) & (self.slots.len() - 1);
        }
    }

    fn value(&self, code: u32) -> &[u8] {
        let code = code as usize;
        let start = code.checked_sub(2).map_or(0, |before| self.ends[before]);
        &self.bytes[start..self.ends[code - 1]]
    }

    #[cold]
    fn add(&mut self, slot: usize, key: u128, value: &[u8]) -> u32 {
        self.bytes.extend_from_slice(value);
        self.ends.push(self.bytes.len());
        let code = u32::try_from(self.ends.len()).unwrap_or(0);
        self.slots[slot] = (key, code);
        if self.ends.len() * 2 > self.slots.len() {
            self.grow();
        }
        code
    }

    fn grow(&mut self) {
        let larger = vec![(0, 0); self.slots.len() * 4];
        let slots = std::mem::replace(&mut self.slots, larger);
        for (key, code) in slots.into_iter().filter(|(_, code)| *code != 0) {
            let mut slot = self.slot_of(key);
            while self.slots[slot].1 != 0 {
                slot = (slot + 1) & (self.slots.len() - 1);
            }
            self.slots[slot] = (key, code);
        }
    }

    /// Returns the slot in which the search for a key begins.
    #[inline]
    fn slot_of(&self, key: u128) -> usize {
        let [low, high] =
            [key & u128::from(u64::MAX), key >> 64].map(|half| u64::try_from(half).unwrap_or(0));
        let mixed = (low ^ high.rotate_left(29)).wrapping_mul(MIX);
        usize::try_from(mixed >> 32).unwrap_or(0) & (self.slots.len() - 1)
    }
}

/// An odd number whose multiples look random in their upper bits (the golden ratio).
const MIX: u64 = 0x9e37_79b9_7f4a_7c15;

/// Returns a key for a text that a view does not hold: length, first bytes, and a hash of all.
#[inline]
fn long_key(view: u128, text: &[u8]) -> u128 {
    let (words, _) = text.as_chunks::<8>();
    let last = text.last_chunk::<8>().copied().unwrap_or_default();
    let hash = words.iter().chain([&last]).fold(0_u64, |hash, word| {
        (hash.rotate_left(23) ^ u64::from_le_bytes(*word)).wrapping_mul(MIX)
    });
    (view & u128::from(u64::MAX)) | u128::from(hash) << 64
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use arrow::array::{ArrayRef, StringViewArray};
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn codes_stand_for_the_integers(
            pages in prop::collection::vec(prop::collection::vec(-300i64..300, 1..50), 1..5),
        ) {
            let mut dictionary = IntegerDictionary::new();
            for page in &pages {
                let bounds = (*page.iter().min().unwrap(), *page.iter().max().unwrap());
                let mut codes = Vec::new();
                prop_assert!(dictionary.encode(page, bounds, &mut codes));
                let read: Vec<i64> =
                    codes.iter().map(|code| dictionary.values[*code as usize]).collect();
                prop_assert_eq!(&read, page);
            }
        }

        #[test]
        fn codes_stand_for_the_texts(
            texts in prop::collection::vec("[ab]{0,3}|prefix[ab]{0,30}", 0..50),
        ) {
            let array: ArrayRef = Arc::new(StringViewArray::from_iter_values(&texts));
            let mut dictionary = TextDictionary::new();
            let mut codes = Vec::new();
            prop_assert!(dictionary.encode(&Texts::of(&array), &mut codes));
            let values: Vec<&[u8]> = dictionary.values().collect();
            let read: Vec<&[u8]> = codes.iter().map(|code| values[*code as usize]).collect();
            prop_assert_eq!(read, texts.iter().map(String::as_bytes).collect::<Vec<_>>());
            let distinct: std::collections::HashSet<_> = texts.iter().collect();
            prop_assert_eq!(dictionary.len(), distinct.len());
        }
    }

    #[test]
    fn gives_up_where_values_are_many_or_far_apart() {
        let mut dictionary = IntegerDictionary::new();
        assert!(dictionary.encode(&[0], (0, 0), &mut Vec::new()));
        assert!(!dictionary.encode(&[65_536], (65_536, 65_536), &mut Vec::new()));
        assert!(!dictionary.encode(&[i64::MIN, i64::MAX], (i64::MIN, i64::MAX), &mut Vec::new()));
        let many: Vec<i64> = (0..5000).collect();
        assert!(!dictionary.encode(&many, (0, 4999), &mut Vec::new()));
        let texts: ArrayRef =
            Arc::new(StringViewArray::from_iter_values(many.iter().map(i64::to_string)));
        assert!(!TextDictionary::new().encode(&Texts::of(&texts), &mut Vec::new()));
    }
}
