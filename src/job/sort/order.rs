//! The order of rows by their keys: radix sort of packed keys where they leave room for the row
//! number, comparisons otherwise.

use std::cmp::Ordering;

use arrow::array::ArrayRef;

use super::column::Column;
use super::pack::{HEAD_BYTES, Packing, head};
use super::text::Texts;
use crate::error::Result;

/// Keys of rows, in any order, packed.
pub(crate) enum Keys {
    /// Of so many bits.
    Short(Vec<u64>, u32),
    /// Of any bits.
    Long(Vec<u128>),
}

/// The columns of a key and how keys of them are packed.
pub(crate) struct KeyColumns<'a> {
    /// The columns, in the order of the key.
    pub(crate) columns: Vec<&'a Column>,
    /// How their keys are packed.
    pub(crate) packing: &'a Packing,
}

/// The next bytes of a text, and the entry that they belong to.
type Next = (u128, u128);

impl KeyColumns<'_> {
    /// Sorts entries (the low 32 bits are a row, ascending) whose packed keys are equal; of a text that
    /// the keys end in, `done` bytes are known to be equal too. `at` is where they stand among all, whose
    /// `ties` are noted.
    ///
    /// The next bytes of the texts are fetched once, not for every comparison.
    #[expect(clippy::cast_possible_truncation, reason = "the low bits are a row number")]
    fn refine(
        &self,
        group: &mut [u128],
        (at, done): (usize, usize),
        room: &mut Vec<Next>,
        ties: &mut Vec<usize>,
    ) {
        if group.len() < 2 {
            return;
        }
        let last = self.packing.last_part();
        let texts = self.columns.get(last).and_then(|column| column.texts());
        let has_more = |texts: &Texts, row: u32| texts.get(row as usize).len() > done;
        let valid = |row: u32| self.columns.get(last).is_some_and(|column| !column.is_null(row));
        let Some(texts) = texts.filter(|texts| {
            group.iter().any(|row| has_more(texts, *row as u32))
                && group.iter().all(|row| valid(*row as u32))
        }) else {
            let compare = |left: u128, right: u128| self.compare(left as u32, self, right as u32);
            group.sort_unstable_by(|left, right| {
                compare(*left, *right).then_with(|| left.cmp(right))
            });
            let equal = |place: &usize| compare(group[place - 1], group[*place]).is_eq();
            ties.extend((1..group.len()).filter(equal).map(|place| at + place));
            return;
        };
        let base = room.len();
        let descending = self.packing.descending().get(last) == Some(&true);
        room.extend(group.iter().map(|&row| {
            let next = head(texts.get(row as u32 as usize).get(done..).unwrap_or_default());
            (if descending { !next } else { next }, row)
        }));
        room[base..].sort_unstable();
        group.iter_mut().zip(&room[base..]).for_each(|(entry, (_, row))| *entry = *row);
        let mut start = 0;
        while start < group.len() {
            let next = room[base + start].0;
            let same = room[base + start..].iter().take_while(|(other, _)| *other == next).count();
            let end = start + same;
            self.refine(&mut group[start..end], (at + start, done + HEAD_BYTES), room, ties);
            room.truncate(base + group.len());
            start = end;
        }
        room.truncate(base);
    }

    /// Compares keys whose packed form is equal.
    fn compare(&self, row: u32, other: &Self, other_row: u32) -> Ordering {
        if self.packing.is_exact() {
            return Ordering::Equal;
        }
        let pairs = self.columns.iter().zip(&other.columns).zip(self.packing.descending());
        for ((column, other), descending) in pairs {
            let order = column.compare(row, other, other_row);
            if order != Ordering::Equal {
                return if *descending { order.reverse() } else { order };
            }
        }
        Ordering::Equal
    }
}

/// One key: the bound of a range.
pub(crate) struct Bound {
    columns: Vec<Column>,
    keys: Keys,
}

impl Bound {
    /// Returns the key whose columns, in key order, are `arrays` of one value.
    pub(crate) fn new(arrays: &[ArrayRef], packing: &Packing) -> Result<Self> {
        let mut columns = Vec::with_capacity(arrays.len());
        for array in arrays {
            let mut column = Column::new(array.data_type())?;
            column.append(array)?;
            columns.push(column);
        }
        let keys = Keys::of(&KeyColumns { columns: columns.iter().collect(), packing });
        Ok(Self { columns, keys })
    }
}

impl Keys {
    /// Returns no keys of the form that `packing` gives.
    pub(crate) fn none(packing: &Packing) -> Self {
        match packing.bits() {
            bits @ 0..=u64::BITS => Self::Short(Vec::new(), bits),
            _ => Self::Long(Vec::new()),
        }
    }

    /// Returns the keys of all rows.
    pub(crate) fn of(key: &KeyColumns<'_>) -> Self {
        match key.packing.bits() {
            bits @ 0..=u64::BITS => Self::Short(key.packing.pack(&key.columns), bits),
            _ => Self::Long(key.packing.pack(&key.columns)),
        }
    }

    /// Removes all keys.
    pub(crate) fn clear(&mut self) {
        match self {
            Self::Short(keys, _) => keys.clear(),
            Self::Long(keys) => keys.clear(),
        }
    }

    /// Appends keys `rows` of others of the same form.
    pub(crate) fn extend(&mut self, other: &Self, rows: std::ops::Range<usize>) {
        match (self, other) {
            (Self::Short(keys, _), Self::Short(other, _)) => keys.extend_from_slice(&other[rows]),
            (Self::Long(keys), Self::Long(other)) => keys.extend_from_slice(&other[rows]),
            _ => debug_assert!(false, "keys of one merge have one form"),
        }
    }

    /// Returns the first of these sorted keys of `key`, from `start` on, that is at least `bound`.
    pub(crate) fn first_at_least(
        &self,
        key: &KeyColumns<'_>,
        start: usize,
        bound: &Bound,
    ) -> usize {
        let columns = KeyColumns { columns: bound.columns.iter().collect(), packing: key.packing };
        let mut row = start
            + match (self, &bound.keys) {
                (Self::Short(keys, _), Self::Short(bound, _)) => {
                    keys[start..].partition_point(|key| *key < bound[0])
                }
                (Self::Long(keys), Self::Long(bound)) => {
                    keys[start..].partition_point(|key| *key < bound[0])
                }
                _ => 0,
            };
        while self.equals(row, &bound.keys)
            && key.compare(row_number(row), &columns, 0) == Ordering::Less
        {
            row += 1;
        }
        row
    }

    fn equals(&self, row: usize, bound: &Self) -> bool {
        match (self, bound) {
            (Self::Short(keys, _), Self::Short(bound, _)) => keys.get(row) == bound.first(),
            (Self::Long(keys), Self::Long(bound)) => keys.get(row) == bound.first(),
            _ => false,
        }
    }

    /// Returns the rows in key order, rows of equal keys as they stand, and the places in that order
    /// whose key is that of the place before.
    pub(crate) fn order(&self, key: &KeyColumns<'_>) -> (Vec<u32>, Vec<usize>) {
        match self {
            Self::Short(keys, bits) => {
                let number_bits = usize::BITS - keys.len().leading_zeros();
                if key.packing.is_exact() && bits + number_bits <= u64::BITS {
                    return short_order(keys, *bits, number_bits);
                }
                long_order(keys.iter().map(|key| u128::from(*key)), key)
            }
            Self::Long(keys) => long_order(keys.iter().copied(), key),
        }
    }
}

/// Returns a row number, which a memory budget keeps within 32 bits.
pub(crate) fn row_number(row: usize) -> u32 {
    u32::try_from(row).unwrap_or(u32::MAX)
}

#[expect(clippy::cast_possible_truncation, reason = "the low bits are a row number")]
fn short_order(keys: &[u64], bits: u32, number_bits: u32) -> (Vec<u32>, Vec<usize>) {
    let mut entries: Vec<u64> =
        keys.iter().zip(0_u64..).map(|(key, row)| key.unbounded_shl(number_bits) | row).collect();
    sort_by_bits(&mut entries, number_bits, bits);
    let numbers = (1_u64 << number_bits) - 1;
    let ties = ties(&entries, |left, right| left >> number_bits == right >> number_bits);
    (entries.into_iter().map(|entry| (entry & numbers) as u32).collect(), ties)
}

#[expect(clippy::cast_possible_truncation, reason = "the low bits are a row number")]
fn long_order(keys: impl Iterator<Item = u128>, key: &KeyColumns<'_>) -> (Vec<u32>, Vec<usize>) {
    let mut entries: Vec<u128> =
        keys.zip(0_u32..).map(|(key, row)| key << u32::BITS | u128::from(row)).collect();
    let same = |left: u128, right: u128| left >> u32::BITS == right >> u32::BITS;
    entries.sort_unstable();
    if key.packing.is_exact() {
        let ties = ties(&entries, same);
        return (entries.into_iter().map(|entry| entry as u32).collect(), ties);
    }
    let (mut room, mut ties, mut at) = (Vec::new(), Vec::new(), 0);
    let done = key.packing.text_done();
    for group in entries.chunk_by_mut(|left, right| same(*left, *right)) {
        key.refine(group, (at, done), &mut room, &mut ties);
        at += group.len();
    }
    (entries.into_iter().map(|entry| entry as u32).collect(), ties)
}

fn ties<T: Copy>(entries: &[T], equal: impl Fn(T, T) -> bool) -> Vec<usize> {
    (1..entries.len()).filter(|&at| equal(entries[at - 1], entries[at])).collect()
}

/// The most bits that one pass of the radix sort looks at: its counters fit the first cache.
const RADIX_BITS: u32 = 11;

/// So few entries are sorted faster by comparing them.
const FEW: usize = 256;

/// Sorts numbers of `bits` bits.
pub(crate) fn sort_numbers(numbers: &mut Vec<u64>, bits: u32) {
    sort_by_bits(numbers, 0, bits);
}

/// Sorts entries by the `bits` bits above the lowest `skipped`; equal ones keep their order, which is
/// that of the bits below.
#[expect(clippy::cast_possible_truncation, reason = "a digit has a few bits")]
fn sort_by_bits(entries: &mut Vec<u64>, skipped: u32, bits: u32) {
    if entries.len() <= FEW || entries.is_sorted() {
        entries.sort_unstable();
        return;
    }
    let mut other = vec![0; entries.len()];
    let passes = bits.div_ceil(RADIX_BITS);
    let step = bits.div_ceil(passes.max(1));
    for pass in 0..passes {
        let shift = skipped + pass * step;
        let mask = (1_u64 << step.min(skipped + bits - shift)) - 1;
        let digit = |entry: u64| (entry >> shift & mask) as usize;
        let mut starts = [0_u32; 1 << RADIX_BITS];
        for entry in entries.iter() {
            starts[digit(*entry)] += 1;
        }
        let mut sum = 0;
        for start in &mut starts {
            sum += std::mem::replace(start, sum);
        }
        for entry in entries.iter() {
            let start = &mut starts[digit(*entry)];
            other[*start as usize] = *entry;
            *start += 1;
        }
        std::mem::swap(entries, &mut other);
    }
}
