//! Integers as Parquet packs them: bits side by side, runs, and differences.
//!
//! Parquet format, "Encodings": the RLE / bit-packing hybrid and `DELTA_BINARY_PACKED`. Values lie
//! lowest bit first. A page is encoded at once, so that whole groups are packed without a branch
//! per value.

/// The values that a miniblock of differences holds.
const MINIBLOCK: usize = 64;

/// The miniblocks of a block, which share their smallest difference.
const MINIBLOCKS: usize = 4;

/// The fewest values per run, on average, for which runs are written instead of packed values.
const LONG_RUNS: usize = 16;

/// An integer of a Parquet column.
pub(super) trait Integer: Copy + Default + Ord + Into<i64> {
    /// Returns the difference to `other`, wrapped around.
    fn difference(self, other: Self) -> Self;
    /// Returns how far this lies above `low`, which must not be larger.
    fn above(self, low: Self) -> u64;
    /// Appends the little-endian bytes.
    fn append(self, out: &mut Vec<u8>);
}

impl Integer for i32 {
    #[inline]
    fn difference(self, other: Self) -> Self {
        self.wrapping_sub(other)
    }

    #[inline]
    fn above(self, low: Self) -> u64 {
        u64::from(self.wrapping_sub(low).cast_unsigned())
    }

    #[inline]
    fn append(self, out: &mut Vec<u8>) {
        out.extend_from_slice(&self.to_le_bytes());
    }
}

impl Integer for i64 {
    #[inline]
    fn difference(self, other: Self) -> Self {
        self.wrapping_sub(other)
    }

    #[inline]
    fn above(self, low: Self) -> u64 {
        self.wrapping_sub(low).cast_unsigned()
    }

    #[inline]
    fn append(self, out: &mut Vec<u8>) {
        out.extend_from_slice(&self.to_le_bytes());
    }
}

/// Returns how many bits `value` takes.
pub(super) fn width_of(value: u64) -> u32 {
    u64::BITS - value.leading_zeros()
}

/// Appends `values`, a multiple of eight of them, each in `width` bits.
fn pack<T: Copy + Into<u64>>(values: &[T], width: u32, out: &mut Vec<u8>) {
    debug_assert!(values.len().is_multiple_of(8));
    // As many values as fit a word beside seven bits left over are joined before they are written.
    match width {
        0 => {}
        1..=7 => pack_groups::<T, 8>(values, width, out),
        8..=14 => pack_groups::<T, 4>(values, width, out),
        15..=28 => pack_groups::<T, 2>(values, width, out),
        29..=56 => pack_groups::<T, 1>(values, width, out),
        _ => pack_wide(values, width, out),
    }
}

/// Packs groups of `N` values, which take at most 56 bits together.
fn pack_groups<T: Copy + Into<u64>, const N: usize>(values: &[T], width: u32, out: &mut Vec<u8>) {
    let (start, size) = (out.len(), values.len() / 8 * width as usize);
    out.resize(start + size + 8, 0);
    let target = &mut out[start..];
    let (mut at, mut word, mut bits) = (0, 0_u64, 0);
    for group in values.as_chunks::<N>().0 {
        let mut joined = 0;
        for (index, value) in (0..).zip(group) {
            joined |= (*value).into() << (index * width);
        }
        word |= joined << bits;
        bits += width * u32::try_from(N).unwrap_or(0);
        target[at..at + 8].copy_from_slice(&word.to_le_bytes());
        at += bits as usize / 8;
        word >>= bits & !7;
        bits &= 7;
    }
    out.truncate(start + size);
}

/// Packs values of any width.
fn pack_wide<T: Copy + Into<u64>>(values: &[T], width: u32, out: &mut Vec<u8>) {
    let (mut word, mut bits) = (0_u128, 0);
    for value in values {
        word |= u128::from((*value).into()) << bits;
        bits += width;
        let whole = bits as usize / 8;
        out.extend_from_slice(&word.to_le_bytes()[..whole]);
        word >>= bits & !7;
        bits &= 7;
    }
}

/// Appends a number as a variable-length one (ULEB128).
fn append_number(mut value: u64, out: &mut Vec<u8>) {
    while value >= 0x80 {
        out.push(value.to_le_bytes()[0] | 0x80);
        value >>= 7;
    }
    out.push(value.to_le_bytes()[0]);
}

/// Appends a signed number, folded so that small ones stay short.
fn append_signed(value: i64, out: &mut Vec<u8>) {
    append_number(((value << 1) ^ (value >> 63)).cast_unsigned(), out);
}

/// Appends `codes` in the RLE / bit-packing hybrid: as runs if they are long, else as one packed run.
///
/// No code takes more than `width` bits. `codes` may be made longer, by zeros.
pub(super) fn append_hybrid(codes: &mut Vec<u32>, width: u32, out: &mut Vec<u8>) {
    let count = codes.len();
    let runs = 1 + codes.windows(2).filter(|pair| pair[0] != pair[1]).count();
    if runs * LONG_RUNS <= count || width == 0 {
        for run in codes.chunk_by(|left, right| left == right) {
            append_run(run[0], run.len(), width, out);
        }
    } else {
        codes.resize(count.next_multiple_of(8), 0);
        append_number((codes.len() as u64 / 8) << 1 | 1, out);
        pack(codes, width, out);
    }
}

/// Appends a run of `count` equal codes in the hybrid encoding.
pub(super) fn append_run(code: u32, count: usize, width: u32, out: &mut Vec<u8>) {
    append_number((count as u64) << 1, out);
    out.extend_from_slice(&code.to_le_bytes()[..width.div_ceil(8) as usize]);
}

/// Appends values as differences (`DELTA_BINARY_PACKED`).
pub(super) fn append_differences<T: Integer>(values: &[T], out: &mut Vec<u8>) {
    append_number((MINIBLOCK * MINIBLOCKS) as u64, out);
    append_number(MINIBLOCKS as u64, out);
    append_number(values.len() as u64, out);
    append_signed(values.first().copied().unwrap_or_default().into(), out);
    let mut differences = [T::default(); MINIBLOCK * MINIBLOCKS];
    let mut start = 1;
    while start < values.len() {
        let count = (values.len() - start).min(differences.len());
        let now = &values[start..start + count];
        let before = &values[start - 1..start - 1 + count];
        for ((difference, now), before) in differences.iter_mut().zip(now).zip(before) {
            *difference = now.difference(*before);
        }
        append_block(&differences[..count], out);
        start += count;
    }
}

/// Appends one block of differences.
fn append_block<T: Integer>(differences: &[T], out: &mut Vec<u8>) {
    let low = differences.iter().copied().min().unwrap_or_default();
    append_signed(low.into(), out);
    let widths = out.len();
    out.extend_from_slice(&[0; MINIBLOCKS]);
    for (index, miniblock) in differences.chunks(MINIBLOCK).enumerate() {
        let mut above = [0; MINIBLOCK];
        let mut all = 0;
        for (above, difference) in above.iter_mut().zip(miniblock) {
            *above = difference.above(low);
            all |= *above;
        }
        let width = width_of(all);
        out[widths + index] = u8::try_from(width).unwrap_or(64);
        pack(&above, width, out);
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn bit_at(bytes: &[u8], at: usize) -> u64 {
        u64::from(bytes[at / 8] >> (at % 8) & 1)
    }

    proptest! {
        #[test]
        fn packed_values_lie_lowest_bit_first(
            values in prop::collection::vec(any::<u64>(), 0..20), width in 1u32..=64,
        ) {
            let mut values: Vec<u64> =
                values.iter().map(|value| value & (u64::MAX >> (64 - width))).collect();
            values.resize(values.len().next_multiple_of(8), 0);
            let mut bytes = vec![7];
            pack(&values, width, &mut bytes);
            prop_assert_eq!(bytes.len(), 1 + values.len() / 8 * width as usize);
            let width = width as usize;
            for (index, value) in values.iter().enumerate() {
                let read = (0..width)
                    .fold(0, |read, bit| read | bit_at(&bytes[1..], index * width + bit) << bit);
                prop_assert_eq!(read, *value);
            }
        }
    }

    #[test]
    fn runs_are_short_and_mixtures_are_packed() {
        let mut out = Vec::new();
        append_hybrid(&mut vec![5; 1000], 3, &mut out);
        assert_eq!(out, [0xd0, 0x0f, 5]);
        out.clear();
        append_hybrid(&mut vec![1, 0, 1, 1, 0, 0, 1, 0, 1], 1, &mut out);
        assert_eq!(out, [5, 0b0100_1101, 1]);
    }

    #[test]
    fn equal_differences_take_no_bits() {
        let mut out = Vec::new();
        append_differences(&(0..257).map(|i| i * 3).collect::<Vec<i64>>(), &mut out);
        // Block 256, 4 miniblocks, 257 values, first 0; one block: difference 3, widths 0.
        assert_eq!(out, [0x80, 2, 4, 0x81, 2, 0, 6, 0, 0, 0, 0]);
    }
}
