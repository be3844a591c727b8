//! Keys as numbers that compare as keys do: each column's distance from its smallest value, side by
//! side in as few bits as all distances need. A key that does not fit is packed up to a point; columns
//! decide between rows whose numbers are equal.

use arrow::datatypes::DataType;

use super::column::{Column, Values};
use super::text::{Texts, length};
use super::word::{self, Word};
use crate::job::bytes::{Input, Output};

/// The most bits of a packed key: beside them 32 bits hold a row number.
pub(super) const MOST_BITS: u32 = 96;

/// The bits that the length of a packed text takes.
const LENGTH_BITS: u32 = 4;

/// The longest text, behind what all texts share, that is packed as a whole.
const WHOLE_TEXT: usize = 11;

/// The values that a key column has.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Span {
    /// Whether NULL is among them.
    null: bool,
    values: Range,
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum Range {
    /// Numbers from the first to the second.
    Numbers(i128, i128),
    /// Texts up to so many bytes, and the bytes that all begin with.
    Texts(usize, Vec<u8>),
    /// Sixteen bytes each.
    Bytes,
}

impl Span {
    /// Returns what a column holds.
    fn of(column: &Column) -> Self {
        fn numbers<T: Word>(values: &[T]) -> Range {
            let (low, high) = word::ends(values);
            Range::Numbers(low.widen(), high.widen())
        }
        let values = match (column.values(), column.data_type()) {
            (Values::Int(values), DataType::Float32) => numbers(&floats(values, ordered_f32)),
            (Values::Long(values), DataType::Float64) => numbers(&floats(values, ordered_f64)),
            (Values::Wide(_), DataType::FixedSizeBinary(_)) => Range::Bytes,
            (Values::Byte(values), _) => numbers(values),
            (Values::Short(values), _) => numbers(values),
            (Values::Int(values), _) => numbers(values),
            (Values::Long(values), _) => numbers(values),
            (Values::Wide(values), _) => numbers(values),
            (Values::Text(texts) | Values::Other(_, texts), _) => text_range(texts),
        };
        Self { null: column.valid().contains(&false), values }
    }

    /// Writes it down.
    pub(crate) fn save(&self, out: &mut Output) {
        out.bool(self.null);
        match &self.values {
            Range::Numbers(low, high) => {
                out.u64(0);
                out.i128(*low);
                out.i128(*high);
            }
            Range::Texts(longest, shared) => {
                out.u64(1);
                out.count(*longest);
                out.bytes(shared);
            }
            Range::Bytes => out.u64(2),
        }
    }

    /// Returns what was written down.
    pub(crate) fn restore(input: &mut Input<'_>) -> Option<Self> {
        let null = input.bool()?;
        let values = match input.u64()? {
            0 => Range::Numbers(input.i128()?, input.i128()?),
            1 => Range::Texts(input.count()?, input.bytes()?.to_vec()),
            2 => Range::Bytes,
            _ => return None,
        };
        Some(Self { null, values })
    }

    fn join(&self, other: &Self) -> Self {
        let values = match (&self.values, &other.values) {
            (Range::Numbers(low, high), Range::Numbers(other_low, other_high)) => {
                Range::Numbers(*low.min(other_low), *high.max(other_high))
            }
            (Range::Texts(longest, shared), Range::Texts(other_longest, other_shared)) => {
                let both = shared_bytes(shared, other_shared);
                Range::Texts(*longest.max(other_longest), shared[..both].to_vec())
            }
            _ => Range::Bytes,
        };
        Self { null: self.null || other.null, values }
    }
}

/// Returns how many bytes at their start two texts have in common.
fn shared_bytes(left: &[u8], right: &[u8]) -> usize {
    left.iter().zip(right).take_while(|(left, right)| left == right).count()
}

fn text_range(texts: &Texts) -> Range {
    let views = texts.views();
    let longest = views.iter().map(|view| length(*view)).max().unwrap_or(0);
    let first = if views.is_empty() { &[][..] } else { texts.get(0) };
    let mut shared = first.len();
    for row in 1..views.len() {
        if shared == 0 {
            break;
        }
        shared = shared_bytes(&first[..shared], texts.get(row));
    }
    Range::Texts(longest, first[..shared].to_vec())
}

/// Returns what the columns of a key hold.
pub(crate) fn spans(columns: &[&Column]) -> Vec<Span> {
    columns.iter().map(|column| Span::of(column)).collect()
}

/// Returns the spans that cover both.
pub(crate) fn join(left: &[Span], right: &[Span]) -> Vec<Span> {
    left.iter().zip(right).map(|(left, right)| left.join(right)).collect()
}

/// How to pack keys.
#[derive(Clone, Debug)]
pub(crate) struct Packing {
    parts: Vec<Part>,
    /// The bits of a key.
    bits: u32,
    /// Whether numbers tell all keys apart.
    exact: bool,
    /// Whether each column of the key descends.
    descending: Vec<bool>,
}

#[derive(Clone, Debug)]
struct Part {
    span: Span,
    descending: bool,
    bits: u32,
    /// The bits of the code that are left out at its end.
    cut: u32,
}

/// A number that keys are packed into.
pub(crate) trait Packed: Copy + Ord + Default {
    /// Returns the number with a code of so many bits behind it.
    fn with(self, bits: u32, code: u64) -> Self;
    /// Does as `with` for a code of any width.
    fn with_wide(self, bits: u32, code: u128) -> Self;
}

impl Packed for u64 {
    #[inline]
    fn with(self, bits: u32, code: u64) -> Self {
        self.unbounded_shl(bits) | code
    }
    #[inline]
    #[expect(clippy::cast_possible_truncation, reason = "the code has at most as many bits")]
    fn with_wide(self, bits: u32, code: u128) -> Self {
        self.unbounded_shl(bits) | code as u64
    }
}

impl Packed for u128 {
    #[inline]
    fn with(self, bits: u32, code: u64) -> Self {
        self.unbounded_shl(bits) | Self::from(code)
    }
    #[inline]
    fn with_wide(self, bits: u32, code: u128) -> Self {
        self.unbounded_shl(bits) | code
    }
}

impl Packing {
    /// Returns how keys of columns that hold `spans` are packed, `true` for descending.
    pub(crate) fn new(spans: &[Span], descending: &[bool]) -> Self {
        let mut packing =
            Self { parts: Vec::new(), bits: 0, exact: true, descending: descending.to_vec() };
        for (span, &descending) in spans.iter().zip(descending) {
            let (wanted, whole) = span.bits();
            let bits = wanted.min(MOST_BITS - packing.bits);
            let (span, cut) = (span.clone(), wanted - bits);
            packing.parts.push(Part { span, descending, bits, cut });
            packing.bits += bits;
            if cut > 0 || !whole {
                packing.exact = false;
                break;
            }
        }
        packing
    }

    /// Returns the bits of a key.
    pub(crate) fn bits(&self) -> u32 {
        self.bits
    }

    /// Returns whether numbers tell all keys apart.
    pub(super) fn is_exact(&self) -> bool {
        self.exact
    }

    /// Returns the position in the key of the last column that is packed.
    pub(super) fn last_part(&self) -> usize {
        self.parts.len().saturating_sub(1)
    }

    /// Returns how many bytes of the text that a key ends in are packed, or shared by all.
    pub(super) fn text_done(&self) -> usize {
        match self.parts.last() {
            Some(Part { span: Span { values: Range::Texts(_, shared), .. }, bits, .. }) => {
                let packed = bits.saturating_sub(u8::BITS) / u8::BITS;
                shared.len() + packed as usize
            }
            _ => 0,
        }
    }

    /// Returns whether each column of the key descends.
    pub(super) fn descending(&self) -> &[bool] {
        &self.descending
    }

    /// Returns whether keys fit eight bytes and hold all that their columns do: numbers alone.
    pub(crate) fn is_reversible(&self) -> bool {
        let numbers = |part: &Part| matches!(part.span.values, Range::Numbers(..));
        self.exact && self.bits <= u64::BITS && self.parts.iter().all(numbers)
    }

    /// Returns the keys of all rows.
    pub(crate) fn pack<P: Packed>(&self, columns: &[&Column]) -> Vec<P> {
        let mut keys = vec![P::default(); columns.first().map_or(0, |column| column.rows())];
        for (part, column) in self.parts.iter().zip(columns) {
            part.add(column, &mut keys);
        }
        keys
    }

    /// Appends what short keys were packed of to `columns`.
    pub(crate) fn unpack(&self, keys: &[u64], columns: &mut [Column]) {
        let mut shift = 0;
        for (part, column) in self.parts.iter().zip(columns).rev() {
            let mask = 1_u64.unbounded_shl(part.bits).wrapping_sub(1);
            let codes: Vec<u64> = keys.iter().map(|key| key.unbounded_shr(shift) & mask).collect();
            part.restore(&codes, column);
            shift += part.bits;
        }
    }
}

impl Span {
    /// Returns the bits that a code takes, NULL among them, and whether codes tell all values apart.
    fn bits(&self) -> (u32, bool) {
        let whole = match &self.values {
            Range::Numbers(..) => true,
            Range::Texts(longest, shared) => *longest - shared.len() <= WHOLE_TEXT,
            Range::Bytes => false,
        };
        let last = self.last();
        match last.checked_add(u128::from(self.null)) {
            Some(last) => (u128::BITS - last.leading_zeros(), whole),
            None => (u128::BITS, false),
        }
    }

    /// Returns the highest code of a value.
    fn last(&self) -> u128 {
        match &self.values {
            Range::Numbers(low, high) => high.wrapping_sub(*low).cast_unsigned(),
            Range::Texts(longest, shared) if *longest - shared.len() <= WHOLE_TEXT => {
                let bytes = longest - shared.len();
                (1_u128 << (8 * bytes + LENGTH_BITS as usize)) - 1
            }
            Range::Texts(..) | Range::Bytes => (1 << (MOST_BITS - u32::from(self.null))) - 1,
        }
    }
}

impl Part {
    fn add<P: Packed>(&self, column: &Column, keys: &mut [P]) {
        let low = match self.span.values {
            Range::Numbers(low, _) => low,
            Range::Texts(..) | Range::Bytes => 0,
        };
        match (column.values(), column.data_type()) {
            (Values::Int(values), DataType::Float32) => {
                self.add_distances(column, keys, low, |row| ordered_f32(values[row]).widen());
            }
            (Values::Long(values), DataType::Float64) => {
                self.add_distances(column, keys, low, |row| ordered_f64(values[row]).widen());
            }
            (Values::Wide(values), DataType::FixedSizeBinary(_)) => {
                let kept = u128::BITS - MOST_BITS + u32::from(self.span.null);
                self.add_codes(column, keys, |row| {
                    values[row].cast_unsigned().swap_bytes() >> kept
                });
            }
            (Values::Byte(values), _) => self.add_numbers(column, values, keys),
            (Values::Short(values), _) => self.add_numbers(column, values, keys),
            (Values::Int(values), _) => self.add_numbers(column, values, keys),
            (Values::Long(values), _) => self.add_numbers(column, values, keys),
            (Values::Wide(values), _) => {
                self.add_distances(column, keys, low, |row| values[row]);
            }
            (Values::Text(texts) | Values::Other(_, texts), _) => {
                self.add_texts(column, texts, keys);
            }
        }
    }

    fn add_numbers<P: Packed, T: Word>(&self, column: &Column, values: &[T], keys: &mut [P]) {
        let Range::Numbers(wide_low, wide_high) = self.span.values else { return };
        let (low, high) = (T::cut(wide_low), T::cut(wide_high));
        if self.span.null || self.cut > 0 {
            self.add_distances(column, keys, wide_low, |row| values[row].widen());
        } else if self.descending {
            for (key, value) in keys.iter_mut().zip(values) {
                *key = key.with(self.bits, high.near(*value));
            }
        } else {
            for (key, value) in keys.iter_mut().zip(values) {
                *key = key.with(self.bits, value.near(low));
            }
        }
    }

    fn add_distances<P: Packed>(
        &self,
        column: &Column,
        keys: &mut [P],
        low: i128,
        value: impl Fn(usize) -> i128,
    ) {
        self.add_codes(column, keys, |row| value(row).wrapping_sub(low).cast_unsigned());
    }

    fn add_texts<P: Packed>(&self, column: &Column, texts: &Texts, keys: &mut [P]) {
        let Range::Texts(longest, shared) = &self.span.values else { return };
        let (bytes, shared) = (longest - shared.len(), shared.len());
        if bytes <= WHOLE_TEXT {
            // The length comes last: it tells a text from the same text with zero bytes behind it.
            let zeros = u128::BITS - 8 * u32::try_from(bytes).unwrap_or(0);
            self.add_codes(column, keys, |row| {
                let rest = texts.get(row).get(shared..).unwrap_or_default();
                head(rest).unbounded_shr(zeros) << LENGTH_BITS | rest.len() as u128
            });
        } else {
            let zeros = u128::BITS - MOST_BITS + u32::from(self.span.null);
            self.add_codes(column, keys, |row| {
                head(texts.get(row).get(shared..).unwrap_or_default()) >> zeros
            });
        }
    }

    /// Adds codes that count from the lowest value; NULL comes behind all values, or, where the order
    /// descends, before them.
    fn add_codes<P: Packed>(&self, column: &Column, keys: &mut [P], code: impl Fn(usize) -> u128) {
        let last = self.span.last();
        let valid = column.valid();
        for (row, key) in keys.iter_mut().enumerate() {
            let null = !valid.is_empty() && !valid[row];
            let code = match (null, self.descending) {
                (true, false) => last.saturating_add(1),
                (true, true) => 0,
                (false, false) => code(row),
                (false, true) => (last - code(row)).saturating_add(u128::from(self.span.null)),
            };
            *key = key.with_wide(self.bits, code.unbounded_shr(self.cut));
        }
    }

    /// Appends the values that `codes` stand for.
    fn restore(&self, codes: &[u64], column: &mut Column) {
        let Range::Numbers(low, high) = self.span.values else { return };
        let last = u64::try_from(high.wrapping_sub(low)).unwrap_or(u64::MAX);
        let null = match (self.span.null, self.descending) {
            (false, _) => None,
            (true, false) => Some(last.wrapping_add(1)),
            (true, true) => Some(0),
        };
        let skipped = u64::from(self.span.null && self.descending);
        let distance = |code: &u64| {
            if self.descending { last.wrapping_sub(code.wrapping_sub(skipped)) } else { *code }
        };
        column.extend_numbers(low, codes.iter().map(distance));
        if let Some(null) = null {
            column.set_valid(codes.iter().map(|code| *code != null));
        }
    }
}

/// The bytes of a text that `head` looks at.
pub(super) const HEAD_BYTES: usize = 16;

/// Returns the first sixteen bytes of a text as a number that compares as they do.
pub(super) fn head(text: &[u8]) -> u128 {
    if let Some(bytes) = text.first_chunk::<16>() {
        return u128::from_be_bytes(*bytes);
    }
    let mut bytes = [0; 16];
    bytes[..text.len()].copy_from_slice(text);
    u128::from_be_bytes(bytes)
}

fn floats<T: Copy>(values: &[T], ordered: impl Fn(T) -> T) -> Vec<T> {
    values.iter().map(|value| ordered(*value)).collect()
}

/// Returns a number that orders floats, given by their bits, as keys do: one zero, and one NaN above
/// all.
pub(super) fn ordered_f64(bits: i64) -> i64 {
    let value = f64::from_bits(bits.cast_unsigned());
    let value = if value.is_nan() { f64::NAN } else { value + 0.0 };
    let bits = value.to_bits().cast_signed();
    if bits < 0 { bits ^ i64::MAX } else { bits }
}

/// Does as `ordered_f64` for four bytes.
pub(super) fn ordered_f32(bits: i32) -> i32 {
    let value = f32::from_bits(bits.cast_unsigned());
    let value = if value.is_nan() { f32::NAN } else { value + 0.0 };
    let bits = value.to_bits().cast_signed();
    if bits < 0 { bits ^ i32::MAX } else { bits }
}
