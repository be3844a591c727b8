//! Few texts as numbers: the place of each among all texts of a column, in order. So an index over them
//! is packed as one over numbers is.

use std::collections::{BTreeSet, HashMap};
use std::sync::Arc;

use arrow::array::{Array, ArrayRef, AsArray, Int32Array, StringViewArray, UInt32Array};
use arrow::compute::take;

use super::key::arrow_error;
use crate::error::Result;

/// The most texts that get ranks.
const MOST_TEXTS: usize = 4096;

/// The texts that are found again without a search, in one batch.
const REMEMBERED: usize = 256;

/// The different texts of a part of a column.
#[derive(Debug, Default)]
pub(crate) struct Distinct(BTreeSet<Box<str>>);

impl Distinct {
    /// Adds the texts of an array of `Utf8View`; returns `false` once they are too many.
    pub(crate) fn add(&mut self, values: &ArrayRef) -> bool {
        let texts = values.as_string_view();
        let mut memory = Memory::default();
        for (row, view) in texts.views().iter().enumerate() {
            if texts.is_null(row) || memory.get(*view).is_some() {
                continue;
            }
            if !self.0.contains(texts.value(row)) {
                self.0.insert(texts.value(row).into());
                if self.0.len() > MOST_TEXTS {
                    return false;
                }
            }
            memory.set(*view, 0);
        }
        true
    }
}

/// What views of one batch stand for; equal views are equal texts, not the other way round.
struct Memory([(u128, Option<i32>); REMEMBERED]);

impl Default for Memory {
    fn default() -> Self {
        Self([(0, None); REMEMBERED])
    }
}

impl Memory {
    fn get(&self, view: u128) -> Option<i32> {
        let (found, rank) = self.0[Self::slot(view)];
        if found == view { rank } else { None }
    }

    fn set(&mut self, view: u128, rank: i32) {
        self.0[Self::slot(view)] = (view, Some(rank));
    }

    fn slot(view: u128) -> usize {
        // The golden ratio spreads views that differ in few bits.
        let mixed = view.wrapping_mul(0x9e37_79b9_7f4a_7c15_f39c_c060_5ced_c835);
        usize::from(mixed.to_le_bytes()[15])
    }
}

/// The ranks of texts.
#[derive(Debug)]
pub(crate) struct Ranks {
    texts: StringViewArray,
    ranks: HashMap<Box<str>, i32>,
}

impl Ranks {
    /// Returns the ranks of all texts of `parts`; nothing if they are too many.
    pub(crate) fn new(parts: Vec<Distinct>) -> Option<Self> {
        let mut all = BTreeSet::new();
        for Distinct(part) in parts {
            all.extend(part);
        }
        if all.len() > MOST_TEXTS {
            return None;
        }
        let texts = StringViewArray::from_iter_values(&all);
        Some(Self { texts, ranks: all.into_iter().zip(0..).collect() })
    }

    /// Returns the lowest and the highest rank; nothing if there are no texts.
    pub(crate) fn ends(&self) -> ArrayRef {
        let last = i32::try_from(self.texts.len()).unwrap_or(i32::MAX) - 1;
        Arc::new(Int32Array::from(vec![0, last.max(0)]))
    }

    /// Returns the ranks of texts that were all counted in.
    pub(crate) fn encode(&self, values: &ArrayRef) -> ArrayRef {
        let texts = values.as_string_view();
        let mut memory = Memory::default();
        let ranks = texts.views().iter().enumerate().map(|(row, view)| {
            if let Some(rank) = memory.get(*view) {
                return rank;
            }
            if texts.is_null(row) {
                return 0;
            }
            let rank = self.ranks.get(texts.value(row)).copied().unwrap_or_default();
            memory.set(*view, rank);
            rank
        });
        Arc::new(Int32Array::new(ranks.collect::<Vec<_>>().into(), texts.nulls().cloned()))
    }

    /// Returns the texts that ranks stand for.
    pub(crate) fn decode(&self, ranks: &ArrayRef) -> Result<ArrayRef> {
        let ranks = ranks.as_primitive::<arrow::datatypes::Int32Type>();
        let places = ranks.values().iter().map(|rank| u32::try_from(*rank).unwrap_or_default());
        let places = UInt32Array::new(places.collect::<Vec<_>>().into(), ranks.nulls().cloned());
        take(&self.texts, &places, None).map_err(arrow_error)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ranks_stand_for_texts_in_their_order() {
        let first: ArrayRef = Arc::new(StringViewArray::from(vec![
            Some("truck"),
            None,
            Some("deliver in person"),
            Some("truck"),
        ]));
        let second: ArrayRef =
            Arc::new(StringViewArray::from(vec!["", "deliver in pieces", "air"]));
        let parts = [&first, &second].map(|values| {
            let mut distinct = Distinct::default();
            assert!(distinct.add(values));
            distinct
        });
        let ranks = Ranks::new(parts.into()).unwrap();
        let encoded = ranks.encode(&first);
        assert_eq!(
            encoded.as_ref(),
            &Int32Array::from(vec![Some(4), None, Some(2), Some(4)]) as &dyn Array
        );
        for values in [&first, &second] {
            assert_eq!(&ranks.decode(&ranks.encode(values)).unwrap(), values);
        }
    }

    #[test]
    fn many_texts_get_none() {
        let many = StringViewArray::from_iter_values((0..=MOST_TEXTS).map(|i| i.to_string()));
        let many: ArrayRef = Arc::new(many);
        assert!(!Distinct::default().add(&many));
        let halves = [0, 3000].map(|start| {
            let texts = (start..start + 3000).map(|i| i.to_string());
            let mut distinct = Distinct::default();
            assert!(distinct.add(&(Arc::new(StringViewArray::from_iter_values(texts)) as _)));
            distinct
        });
        assert!(Ranks::new(halves.into()).is_none());
    }
}
