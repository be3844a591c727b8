//! Numbers of one column in a block of a run: the smallest once, and every value as its distance from
//! it in as few bytes as all distances need.
//!
//! Form: the bytes of a distance (0, 1, 2, 4, 8 or 16), the smallest value in 16 bytes, the distances,
//! all little-endian.

use std::ops::Range;

/// A number of fixed width that a column is kept as.
pub(crate) trait Word: Copy + Ord + Default {
    /// Returns the number as the widest one.
    fn widen(self) -> i128;
    /// Returns the low bits of a wide number.
    fn cut(wide: i128) -> Self;
    /// Returns by how much it is above `low`, which it is not below.
    fn above(self, low: Self) -> u128;
    /// Returns by how much it is above `low`, where that is known to fit.
    fn near(self, low: Self) -> u64;
    /// Returns the number that is `distance` above.
    fn plus(self, distance: u64) -> Self;
}

macro_rules! word {
    ($type:ty) => {
        #[allow(
            clippy::cast_possible_truncation,
            clippy::cast_sign_loss,
            clippy::cast_lossless,
            clippy::cast_possible_wrap,
            reason = "distances wrap around as two's complement does; not every width needs each"
        )]
        impl Word for $type {
            #[inline]
            fn widen(self) -> i128 {
                self as i128
            }
            #[inline]
            fn cut(wide: i128) -> Self {
                wide as $type
            }
            #[inline]
            fn above(self, low: Self) -> u128 {
                (self as i128).wrapping_sub(low as i128) as u128
            }
            #[inline]
            fn near(self, low: Self) -> u64 {
                self.wrapping_sub(low) as u64
            }
            #[inline]
            fn plus(self, distance: u64) -> Self {
                self.wrapping_add(distance as $type)
            }
        }
    };
}

word!(i8);
word!(i16);
word!(i32);
word!(i64);
word!(i128);

/// Returns the smallest and the largest value.
pub(super) fn ends<T: Word>(values: &[T]) -> (T, T) {
    let Some(&first) = values.first() else { return (T::default(), T::default()) };
    let (mut low, mut high) = (first, first);
    for &value in values {
        low = if value < low { value } else { low };
        high = if value > high { value } else { high };
    }
    (low, high)
}

/// The bytes before the distances.
const HEAD: usize = 17;

/// Appends the form of `values`.
#[expect(clippy::cast_possible_truncation, reason = "distances fit the width chosen for them")]
pub(super) fn put<T: Word>(values: &[T], out: &mut Vec<u8>) {
    let (low, high) = ends(values);
    let width = width_of(high.above(low));
    out.push(width);
    out.extend_from_slice(&low.widen().to_le_bytes());
    match width {
        0 => {}
        1 => put_each(values, out, |value| [mask(value, low, u64::from(u8::MAX)) as u8]),
        2 => put_each(values, out, |value| (value.near(low) as u16).to_le_bytes()),
        4 => put_each(values, out, |value| (value.near(low) as u32).to_le_bytes()),
        8 => put_each(values, out, |value| value.near(low).to_le_bytes()),
        _ => put_each(values, out, |value| value.above(low).to_le_bytes()),
    }
}

#[inline]
fn mask<T: Word>(value: T, low: T, mask: u64) -> u64 {
    value.near(low) & mask
}

fn put_each<T: Copy, const N: usize>(
    values: &[T],
    out: &mut Vec<u8>,
    bytes: impl Fn(T) -> [u8; N],
) {
    let start = out.len();
    out.resize(start + N * values.len(), 0);
    let (chunks, _) = out[start..].as_chunks_mut::<N>();
    for (chunk, value) in chunks.iter_mut().zip(values) {
        *chunk = bytes(*value);
    }
}

fn width_of(distance: u128) -> u8 {
    match distance {
        0 => 0,
        1..=0xff => 1,
        0x100..=0xffff => 2,
        0x1_0000..=0xffff_ffff => 4,
        _ if distance <= u128::from(u64::MAX) => 8,
        _ => 16,
    }
}

/// Appends the values `rows` of a form that holds `count`; returns the bytes behind the form.
pub(super) fn take<'a, T: Word>(
    bytes: &'a [u8],
    count: usize,
    rows: Range<usize>,
    values: &mut Vec<T>,
) -> &'a [u8] {
    let (head, rest) = bytes.split_at(HEAD);
    let width = usize::from(head[0]);
    let mut low = [0; 16];
    low.copy_from_slice(&head[1..]);
    let wide = i128::from_le_bytes(low);
    let low = T::cut(wide);
    let (distances, rest) = rest.split_at(width * count);
    let distances = &distances[width * rows.start..width * rows.end];
    match width {
        0 => values.resize(values.len() + rows.len(), low),
        1 => values.extend(distances.iter().map(|byte| low.plus(u64::from(*byte)))),
        2 => take_each(distances, values, |bytes| low.plus(u16::from_le_bytes(bytes).into())),
        4 => take_each(distances, values, |bytes| low.plus(u32::from_le_bytes(bytes).into())),
        8 => take_each(distances, values, |bytes| low.plus(u64::from_le_bytes(bytes))),
        _ => take_each(distances, values, |bytes| {
            T::cut(wide.wrapping_add(i128::from_le_bytes(bytes)))
        }),
    }
    rest
}

fn take_each<T, const N: usize>(bytes: &[u8], values: &mut Vec<T>, value: impl Fn([u8; N]) -> T) {
    values.extend(bytes.as_chunks::<N>().0.iter().map(|bytes| value(*bytes)));
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn check<T: Word + std::fmt::Debug>(values: &[T]) {
        let mut bytes: Vec<u8> = Vec::new();
        put(values, &mut bytes);
        bytes.push(7);
        for start in 0..=values.len().min(3) {
            let mut back: Vec<T> = Vec::new();
            assert_eq!(take(&bytes, values.len(), start..values.len(), &mut back), [7]);
            assert_eq!(back, values[start..]);
        }
    }

    #[test]
    fn keeps_extremes() {
        check::<i64>(&[]);
        check(&[i8::MIN, i8::MAX, 0]);
        check(&[i16::MIN, i16::MAX]);
        check(&[i32::MIN, i32::MAX, -1]);
        check(&[i64::MIN, i64::MAX, 1]);
        check(&[i128::MIN, i128::MAX, 5]);
        check(&[i128::MAX, i128::MAX]);
        check(&[i128::MIN, i128::MIN + 300, i128::MIN + i128::from(u64::MAX)]);
    }

    proptest! {
        #[test]
        fn keeps_all(values: Vec<i64>, shift in 0_u32..64, wide: Vec<i128>) {
            check(&values.iter().map(|value| value >> shift).collect::<Vec<_>>());
            check(&wide);
        }
    }
}
