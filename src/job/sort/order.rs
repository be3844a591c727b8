//! The order of rows by their keys: radix sort of packed keys where they leave room for the row
//! number, comparisons otherwise.

use arrow::array::ArrayRef;
use arrow::row::Rows;

use super::column::Column;
use super::pack::{Packing, Span};
use crate::error::Result;
use crate::job::key::KeyEncoder;

/// Keys of rows, in any order.
pub(crate) enum Keys {
    /// Packed, of so many bits.
    Short(Vec<u64>, u32),
    /// Packed.
    Long(Vec<u128>),
    /// As the bytes of `arrow::row`.
    Bytes(KeyBytes),
}

/// Keys as bytes, one behind the other.
#[derive(Default)]
pub(crate) struct KeyBytes {
    ends: Vec<usize>,
    bytes: Vec<u8>,
}

impl KeyBytes {
    fn get(&self, row: usize) -> &[u8] {
        let start = row.checked_sub(1).map_or(0, |before| self.ends[before]);
        &self.bytes[start..self.ends[row]]
    }

    fn push(&mut self, key: &[u8]) {
        self.bytes.extend_from_slice(key);
        self.ends.push(self.bytes.len());
    }
}

impl From<&Rows> for KeyBytes {
    fn from(rows: &Rows) -> Self {
        let mut keys = Self::default();
        keys.bytes.reserve(rows.size());
        rows.iter().for_each(|row| keys.push(row.data()));
        keys
    }
}

/// The most bits of a packed key beside which any row number fits.
const MOST_BITS: u32 = 96;

/// Returns how keys are packed that hold `spans`, if they can be sorted so.
pub(crate) fn packing(spans: Option<&[Span]>, encoder: &KeyEncoder) -> Option<Packing> {
    Packing::new(spans?, encoder.descending()).filter(|packing| packing.bits() <= MOST_BITS)
}

impl Keys {
    /// Returns no keys of the form that `packing` gives.
    pub(crate) fn none(packing: Option<&Packing>) -> Self {
        match packing {
            Some(packing) if packing.bits() <= u64::BITS => Self::Short(Vec::new(), packing.bits()),
            Some(_) => Self::Long(Vec::new()),
            None => Self::Bytes(KeyBytes::default()),
        }
    }

    /// Returns the keys of rows whose key columns, in key order, are `columns`.
    pub(crate) fn of(
        columns: &[&Column],
        packing: Option<&Packing>,
        encoder: &KeyEncoder,
    ) -> Result<Self> {
        Ok(match packing {
            Some(packing) if packing.bits() <= u64::BITS => {
                Self::Short(packing.pack(columns), packing.bits())
            }
            Some(packing) => Self::Long(packing.pack(columns)),
            None => {
                let rows = columns.first().map_or(0, |column| column.rows());
                let all: Vec<u32> = (0..row_number(rows)).collect();
                let arrays: Vec<ArrayRef> =
                    columns.iter().map(|column| column.gather(&all)).collect::<Result<_>>()?;
                Self::Bytes(KeyBytes::from(&encoder.encode_columns(&arrays)?))
            }
        })
    }

    /// Returns the keys whose columns, in key order, are `arrays`.
    pub(crate) fn of_arrays(
        arrays: &[ArrayRef],
        packing: Option<&Packing>,
        encoder: &KeyEncoder,
    ) -> Result<Self> {
        let mut columns = Vec::with_capacity(arrays.len());
        for array in arrays {
            let mut column = Column::new(array.data_type())?;
            column.append(array)?;
            columns.push(column);
        }
        Self::of(&columns.iter().collect::<Vec<_>>(), packing, encoder)
    }

    /// Returns how many there are.
    pub(crate) fn len(&self) -> usize {
        match self {
            Self::Short(keys, _) => keys.len(),
            Self::Long(keys) => keys.len(),
            Self::Bytes(keys) => keys.ends.len(),
        }
    }

    /// Removes all keys.
    pub(crate) fn clear(&mut self) {
        match self {
            Self::Short(keys, _) => keys.clear(),
            Self::Long(keys) => keys.clear(),
            Self::Bytes(keys) => {
                keys.ends.clear();
                keys.bytes.clear();
            }
        }
    }

    /// Appends keys `rows` of others of the same form.
    pub(crate) fn extend(&mut self, other: &Self, rows: std::ops::Range<usize>) {
        match (self, other) {
            (Self::Short(keys, _), Self::Short(other, _)) => keys.extend_from_slice(&other[rows]),
            (Self::Long(keys), Self::Long(other)) => keys.extend_from_slice(&other[rows]),
            (Self::Bytes(keys), Self::Bytes(other)) => {
                rows.for_each(|row| keys.push(other.get(row)));
            }
            _ => debug_assert!(false, "keys of one merge have one form"),
        }
    }

    /// Returns the first of these sorted keys, from `start` on, that is at least the only one of
    /// `bound`.
    pub(crate) fn first_at_least(&self, start: usize, bound: &Self) -> usize {
        start
            + match (self, bound) {
                (Self::Short(keys, _), Self::Short(bound, _)) => {
                    keys[start..].partition_point(|key| *key < bound[0])
                }
                (Self::Long(keys), Self::Long(bound)) => {
                    keys[start..].partition_point(|key| *key < bound[0])
                }
                (Self::Bytes(keys), Self::Bytes(bound)) => {
                    let rows: Vec<usize> = (start..keys.ends.len()).collect();
                    rows.partition_point(|row| keys.get(*row) < bound.get(0))
                }
                _ => 0,
            }
    }

    /// Returns the rows in key order, rows of equal keys as they stand, and the places in that order
    /// whose key is that of the place before.
    pub(crate) fn order(&self) -> (Vec<u32>, Vec<usize>) {
        let count = self.len();
        let number_bits = usize::BITS - count.leading_zeros();
        match self {
            Self::Short(keys, bits) if bits + number_bits <= u64::BITS => {
                short_order(keys, *bits, number_bits)
            }
            Self::Short(keys, _) => long_order(keys.iter().map(|key| u128::from(*key))),
            Self::Long(keys) => long_order(keys.iter().copied()),
            Self::Bytes(keys) => bytes_order(keys),
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
fn long_order(keys: impl Iterator<Item = u128>) -> (Vec<u32>, Vec<usize>) {
    let mut entries: Vec<u128> =
        keys.zip(0_u32..).map(|(key, row)| key << u32::BITS | u128::from(row)).collect();
    entries.sort_unstable();
    let ties = ties(&entries, |left, right| left >> u32::BITS == right >> u32::BITS);
    (entries.into_iter().map(|entry| entry as u32).collect(), ties)
}

/// Sorts by sixteen bytes of the key behind those that all keys share; the rest decides ties.
fn bytes_order(keys: &KeyBytes) -> (Vec<u32>, Vec<usize>) {
    let count = keys.ends.len();
    let shared = shared_bytes(keys);
    let mut entries: Vec<(u128, u32)> =
        (0..count).map(|row| (prefix(&keys.get(row)[shared..]), row_number(row))).collect();
    entries.sort_unstable_by(|left, right| {
        left.0
            .cmp(&right.0)
            .then_with(|| keys.get(left.1 as usize).cmp(keys.get(right.1 as usize)))
            .then_with(|| left.1.cmp(&right.1))
    });
    let ties = ties(&entries, |left, right| {
        left.0 == right.0 && keys.get(left.1 as usize) == keys.get(right.1 as usize)
    });
    (entries.into_iter().map(|(_, row)| row).collect(), ties)
}

fn ties<T: Copy>(entries: &[T], equal: impl Fn(T, T) -> bool) -> Vec<usize> {
    (1..entries.len()).filter(|&at| equal(entries[at - 1], entries[at])).collect()
}

/// Returns how many bytes at their start all keys have in common.
fn shared_bytes(keys: &KeyBytes) -> usize {
    let Some(first) = (!keys.ends.is_empty()).then(|| keys.get(0)) else { return 0 };
    (1..keys.ends.len()).fold(first.len(), |shared, row| {
        let pairs = first[..shared].iter().zip(keys.get(row));
        pairs.take_while(|(left, right)| left == right).count()
    })
}

/// Returns the first sixteen bytes of a key as a number that compares as they do.
fn prefix(key: &[u8]) -> u128 {
    if let Some(bytes) = key.first_chunk::<16>() {
        return u128::from_be_bytes(*bytes);
    }
    let mut bytes = [0; 16];
    bytes[..key.len()].copy_from_slice(key);
    u128::from_be_bytes(bytes)
}

/// The bits that one pass of the radix sort looks at: its counters fit the first cache.
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
    for pass in 0..passes {
        let width = (bits.div_ceil(passes)).min(bits - pass * bits.div_ceil(passes));
        let shift = skipped + pass * bits.div_ceil(passes);
        let mask = (1_u64 << width) - 1;
        let digit = |entry: u64| (entry >> shift & mask) as usize;
        let mut starts = [0_u32; 1 << RADIX_BITS];
        entries.iter().for_each(|entry| starts[digit(*entry)] += 1);
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
