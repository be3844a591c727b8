//! Keys of fixed width as numbers: each column's distance from its smallest value, side by side in as
//! few bits as all distances need, so that numbers compare as keys do.

use arrow::datatypes::DataType;

use super::column::{Column, Values};
use super::text::{INLINE, length};
use super::word::{self, Word};

/// The values that a key column has.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Span {
    low: i128,
    high: i128,
    /// Whether NULL is among them.
    null: bool,
    /// The longest text in bytes, of a column of texts.
    text: Option<usize>,
}

impl Span {
    /// Returns what a column holds; nothing if its values cannot be packed.
    fn of(column: &Column) -> Option<Self> {
        fn ends<T: Word>(values: &[T]) -> Span {
            let (low, high) = word::ends(values);
            Span { low: low.widen(), high: high.widen(), null: false, text: None }
        }
        let span = match (column.values(), column.data_type()) {
            (_, DataType::Float32 | DataType::Float64 | DataType::FixedSizeBinary(_)) => {
                return None;
            }
            (Values::Byte(values), _) => ends(values),
            (Values::Short(values), _) => ends(values),
            (Values::Int(values), _) => ends(values),
            (Values::Long(values), _) => ends(values),
            (Values::Wide(values), _) => ends(values),
            (Values::Text(texts), _) => {
                let longest = texts.views().iter().map(|view| length(*view)).max().unwrap_or(0);
                Self { low: 0, high: 0, null: false, text: (longest <= INLINE).then_some(longest) }
                    .of_text()?
            }
            (Values::Other(..), _) => return None,
        };
        Some(Self { null: column.valid().contains(&false), ..span })
    }

    fn of_text(self) -> Option<Self> {
        let longest = self.text?;
        // The length comes last: it tells a text from the same text with zero bytes behind it.
        let high = (1_i128 << (8 * longest + LENGTH_BITS as usize)) - 1;
        Some(Self { high, ..self })
    }

    fn join(self, other: Self) -> Self {
        let text = match (self.text, other.text) {
            (Some(one), Some(two)) => Some(one.max(two)),
            _ => None,
        };
        Self {
            low: self.low.min(other.low),
            high: self.high.max(other.high),
            null: self.null || other.null,
            text,
        }
    }
}

/// The bits that the length of a packed text takes.
const LENGTH_BITS: u32 = 4;

/// Returns what the columns of a key hold; nothing if one of them cannot be packed.
pub(crate) fn spans(columns: &[&Column]) -> Option<Vec<Span>> {
    columns.iter().map(|column| Span::of(column)).collect()
}

/// Returns the spans that cover both.
pub(crate) fn join(left: &[Span], right: &[Span]) -> Vec<Span> {
    left.iter().zip(right).map(|(left, right)| left.join(*right)).collect()
}

/// How to pack keys.
#[derive(Clone, Debug)]
pub(crate) struct Packing {
    parts: Vec<Part>,
    /// The bits of a key.
    bits: u32,
}

#[derive(Clone, Copy, Debug)]
struct Part {
    span: Span,
    descending: bool,
    bits: u32,
}

/// A number that keys are packed into.
pub(crate) trait Packed: Copy + Ord + Default {
    fn with(self, bits: u32, code: u64) -> Self;
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
    /// Returns how keys of columns that hold `spans` are packed, `true` for descending; nothing if
    /// they do not fit 128 bits.
    pub(crate) fn new(spans: &[Span], descending: &[bool]) -> Option<Self> {
        let mut bits = 0;
        let mut parts = Vec::with_capacity(spans.len());
        for (&span, &descending) in spans.iter().zip(descending) {
            let distance = span.high.wrapping_sub(span.low).cast_unsigned();
            let codes = distance.checked_add(u128::from(span.null))?;
            let part = Part { span, descending, bits: u128::BITS - codes.leading_zeros() };
            bits += part.bits;
            parts.push(part);
        }
        (bits <= u128::BITS).then_some(Self { parts, bits })
    }

    /// Returns the bits of a key.
    pub(crate) fn bits(&self) -> u32 {
        self.bits
    }

    /// Returns the keys of all rows.
    pub(crate) fn pack<P: Packed>(&self, columns: &[&Column]) -> Vec<P> {
        let mut keys = vec![P::default(); columns.first().map_or(0, |column| column.rows())];
        for (part, column) in self.parts.iter().zip(columns) {
            part.add(column, &mut keys);
        }
        keys
    }
}

impl Packing {
    /// Returns whether keys fit eight bytes and hold all that their columns do: numbers alone.
    pub(crate) fn is_reversible(&self) -> bool {
        self.bits <= u64::BITS && self.parts.iter().all(|part| part.span.text.is_none())
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

impl Part {
    /// Appends the values that `codes` stand for.
    fn restore(&self, codes: &[u64], column: &mut Column) {
        let last = self.span.high.wrapping_sub(self.span.low).cast_unsigned();
        #[expect(clippy::cast_possible_truncation, reason = "codes of a short key fit")]
        let last = last as u64;
        let null = match (self.span.null, self.descending) {
            (false, _) => None,
            (true, false) => Some(last + 1),
            (true, true) => Some(0),
        };
        let skipped = u64::from(self.span.null && self.descending);
        let (low, descending) = (self.span.low, self.descending);
        column.extend_numbers(
            low,
            codes.iter().map(|&code| {
                if descending { last.wrapping_sub(code - skipped.min(code)) } else { code }
            }),
        );
        if let Some(null) = null {
            column.set_valid(codes.iter().map(|code| *code != null));
        }
    }

    fn add<P: Packed>(&self, column: &Column, keys: &mut [P]) {
        if self.bits == 0 {
            return;
        }
        match column.values() {
            Values::Byte(values) => self.add_numbers(column, values, keys),
            Values::Short(values) => self.add_numbers(column, values, keys),
            Values::Int(values) => self.add_numbers(column, values, keys),
            Values::Long(values) => self.add_numbers(column, values, keys),
            Values::Wide(values) => self.add_wide(column, keys, |row| {
                values[row].widen().wrapping_sub(self.span.low).cast_unsigned()
            }),
            Values::Text(texts) => {
                let longest = self.span.text.unwrap_or(0);
                let views = texts.views();
                self.add_wide(column, keys, |row| text_code(views[row], longest));
            }
            Values::Other(..) => {}
        }
    }

    fn add_numbers<P: Packed, T: Word>(&self, column: &Column, values: &[T], keys: &mut [P]) {
        let (low, high) = (T::cut(self.span.low), T::cut(self.span.high));
        let has_null = self.span.null;
        if !has_null && !self.descending {
            for (key, value) in keys.iter_mut().zip(values) {
                *key = key.with(self.bits, value.near(low));
            }
        } else if !has_null {
            for (key, value) in keys.iter_mut().zip(values) {
                *key = key.with(self.bits, high.near(*value));
            }
        } else {
            self.add_wide(column, keys, |row| {
                values[row].widen().wrapping_sub(self.span.low).cast_unsigned()
            });
        }
    }

    /// Adds the codes that count from the lowest value; NULL comes behind all values, or, where the
    /// order descends, before them.
    fn add_wide<P: Packed>(&self, column: &Column, keys: &mut [P], code: impl Fn(usize) -> u128) {
        let last = self.span.high.wrapping_sub(self.span.low).cast_unsigned();
        let valid = column.valid();
        for (row, key) in keys.iter_mut().enumerate() {
            let null = !valid.is_empty() && !valid[row];
            let code = match (null, self.descending) {
                (true, false) => last + 1,
                (true, true) => 0,
                (false, false) => code(row),
                (false, true) => last - code(row) + u128::from(self.span.null),
            };
            *key = key.with_wide(self.bits, code);
        }
    }
}

/// Returns a short text as a number: its bytes, zeros up to the longest, then its length.
#[expect(clippy::cast_possible_truncation, reason = "a short text has at most twelve bytes")]
fn text_code(view: u128, longest: usize) -> u128 {
    let bytes = (view >> 32).swap_bytes() >> (128 - 8 * longest as u32).min(127);
    let bytes = if longest == 0 { 0 } else { bytes };
    bytes << LENGTH_BITS | length(view) as u128
}
