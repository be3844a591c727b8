//! Where the fields of a piece lie: the table of positions that `types` decodes columns from.

use super::error::RecordError;

/// The records of one piece, row by row. Reused between calls: cleared, not freed.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Records {
    /// Start and end of each decoded field, `fields` per record. Offsets below the length of the
    /// piece point into the piece, the others, less that length, into `unescaped`.
    pub spans: Vec<[u32; 2]>,
    /// The number of fields of each record.
    pub fields: usize,
    /// The number of records.
    pub count: usize,
    /// The offset in the piece of the first byte of each record.
    pub starts: Vec<u32>,
    /// The offset behind the last byte of each record, line end not counted. Not filled by the reader
    /// of CSV.
    pub ends: Vec<u32>,
    /// The text of fields whose quotes or escapes had to be taken out.
    pub unescaped: Vec<u8>,
    /// One bit per field, in the order of `spans`: whether it was quoted. Filled only on request.
    pub quoted: Option<Vec<u64>>,
    /// One bit per field, in the order of `spans`: whether the record says that it is NULL. Bits that
    /// are not there are not set; nothing if none is.
    pub nulls: Option<Vec<u64>>,
    /// The same for fields that the record lacks, which are among `nulls` too.
    pub missing: Option<Vec<u64>>,
    /// Whether the data ends behind the last record, whatever follows in the file.
    pub ended: bool,
    /// The records in which a lazy quote swallowed at least one line break: the break stands in
    /// a quoted field after a quote that neither ended the field nor was doubled, or in a quoted
    /// field that the file ended in.
    pub swallowed: Vec<u32>,
    /// The records that are left out because they cannot be read, in order; filled only on request.
    pub faults: Vec<RecordError>,
    /// What lenient reading has repaired.
    pub repairs: Repairs,
}

/// How often lenient reading had to repair a record.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Repairs {
    /// Records that were filled up.
    pub filled: u64,
    /// Records that were cut.
    pub cut: u64,
    /// Records in which a quote was taken for text.
    pub quotes: u64,
}

impl Repairs {
    /// Adds what was repaired elsewhere.
    pub fn add(&mut self, other: Self) {
        self.filled += other.filled;
        self.cut += other.cut;
        self.quotes += other.quotes;
    }
}

impl Records {
    /// Returns an empty table.
    pub fn new() -> Self {
        Self::default()
    }

    /// Empties the table.
    pub fn clear(&mut self) {
        self.spans = self.restart(self.fields).finish();
    }

    /// Empties the table for records of `fields` fields, but for the spans, and returns these to be
    /// overwritten.
    pub(super) fn restart(&mut self, fields: usize) -> Spans {
        self.fields = fields;
        self.count = 0;
        self.starts.clear();
        self.ends.clear();
        self.nulls = None;
        self.missing = None;
        self.ended = false;
        self.unescaped.clear();
        self.swallowed.clear();
        self.faults.clear();
        self.repairs = Repairs::default();
        if let Some(quoted) = &mut self.quoted {
            quoted.clear();
        }
        Spans::over(std::mem::take(&mut self.spans))
    }

    /// Empties the table for records of `fields` fields.
    pub(super) fn restart_empty(&mut self, fields: usize) {
        self.spans = self.restart(fields).finish();
    }

    /// Counts the record whose fields were added as whole; it is `bytes[start..end]`.
    pub(super) fn complete(&mut self, start: usize, end: usize) {
        self.starts.push(offset(start));
        self.ends.push(offset(end));
        self.count += 1;
    }

    /// Takes back what was kept of a record behind the last one that counts.
    pub(super) fn forget_unfinished(&mut self) {
        let filled = self.count * self.fields;
        self.spans.truncate(filled);
        for bits in [&mut self.nulls, &mut self.missing].into_iter().flatten() {
            truncate_bits(bits, filled);
        }
    }

    /// Returns whether the record says that a field is NULL.
    #[inline]
    pub fn is_null(&self, record: usize, field: usize) -> bool {
        self.nulls.as_ref().is_some_and(|nulls| has_bit(nulls, record * self.fields + field))
    }

    /// Returns whether a record lacks a field.
    #[inline]
    pub fn is_missing(&self, record: usize, field: usize) -> bool {
        self.missing.as_ref().is_some_and(|missing| has_bit(missing, record * self.fields + field))
    }

    /// Returns the decoded text of a field; `bytes` is the piece that was read.
    pub fn field<'a>(&'a self, bytes: &'a [u8], record: usize, field: usize) -> &'a [u8] {
        self.text(bytes, self.spans[record * self.fields + field])
    }

    /// Returns the decoded text that `span` stands for; `bytes` is the piece that was read.
    #[inline]
    pub fn text<'a>(&'a self, bytes: &'a [u8], span: [u32; 2]) -> &'a [u8] {
        let [start, end] = span.map(|offset| offset as usize);
        match start.checked_sub(bytes.len()) {
            None => &bytes[start..end],
            Some(start) => &self.unescaped[start..end - bytes.len()],
        }
    }

    /// Returns whether a field was quoted; false if that was not asked for.
    pub fn is_quoted(&self, record: usize, field: usize) -> bool {
        let bit = record * self.fields + field;
        self.quoted.as_ref().is_some_and(|quoted| quoted[bit / 64] >> (bit % 64) & 1 == 1)
    }
}

/// Returns an offset as it stands in `Records`.
#[inline]
pub(super) fn offset(at: usize) -> u32 {
    // Invariant: pieces are at most `LONGEST_PIECE` long, less than half of what 32 bits count.
    #[expect(clippy::cast_possible_truncation, reason = "the reader refuses longer pieces")]
    let offset = at as u32;
    offset
}

/// The spans that a reader fills. The vector is kept longer than what is filled, so that several
/// spans can be written at once and the ones too many be left for the next to overwrite.
pub(super) struct Spans {
    entries: Vec<[u32; 2]>,
    filled: usize,
}

impl Spans {
    /// The spans that are written at once without vectors: the fastest of 4, 5, 6 and 8 for rows like lineitem's.
    pub(super) const STEP: usize = 6;

    /// The spans by which the vector grows.
    const GROWTH: usize = 4096;

    /// Returns no spans, to be kept in `entries`, whose content does not matter.
    pub(super) fn over(entries: Vec<[u32; 2]>) -> Self {
        Self { entries, filled: 0 }
    }

    /// Returns the vector with the spans filled and no others.
    pub(super) fn finish(mut self) -> Vec<[u32; 2]> {
        self.entries.truncate(self.filled);
        self.entries
    }

    /// Returns how many spans are filled.
    #[inline]
    pub(super) fn len(&self) -> usize {
        self.filled
    }

    /// Returns the place of the next spans; `advance` says how many of them count.
    #[inline]
    pub(super) fn spare<const N: usize>(&mut self) -> &mut [[u32; 2]; N] {
        if self.entries.len() < self.filled + N {
            self.grow();
        }
        self.entries[self.filled..].first_chunk_mut().expect("the vector has grown")
    }

    #[cold]
    fn grow(&mut self) {
        self.entries.resize(self.filled + Self::GROWTH, [0; 2]);
    }

    /// Counts the next spans as filled.
    #[inline]
    pub(super) fn advance(&mut self, count: usize) {
        self.filled += count;
    }

    /// Adds one span.
    pub(super) fn push(&mut self, span: [u32; 2]) {
        self.spare::<1>()[0] = span;
        self.filled += 1;
    }

    /// Takes back all but the first `filled` spans.
    pub(super) fn truncate(&mut self, filled: usize) {
        self.filled = self.filled.min(filled);
    }

    /// Returns the spans from `first` on.
    #[inline]
    pub(super) fn tail(&mut self, first: usize) -> &mut [[u32; 2]] {
        &mut self.entries[first..self.filled]
    }
}

/// Sets the bits from `first` on, which are beyond all those set so far, to the low bits of `bits`.
#[inline]
pub(super) fn push_bits(words: &mut Vec<u64>, first: usize, bits: u64) {
    let (word, shift) = (first / 64, first % 64);
    if words.len() < word + 2 {
        words.resize(word + 2, 0);
    }
    words[word] |= bits << shift;
    // Two shifts, because one by 64 is none.
    words[word + 1] |= bits >> 1 >> (63 - shift);
}

/// Sets one bit.
#[inline]
pub(super) fn set_bit(words: &mut Vec<u64>, index: usize) {
    if words.len() <= index / 64 {
        words.resize(index / 64 + 1, 0);
    }
    words[index / 64] |= 1 << (index % 64);
}

/// Returns whether a bit is set.
#[inline]
fn has_bit(words: &[u64], index: usize) -> bool {
    words.get(index / 64).is_some_and(|word| word >> (index % 64) & 1 == 1)
}

/// Takes back all but the first `count` bits.
pub(super) fn truncate_bits(words: &mut Vec<u64>, count: usize) {
    words.truncate(count.div_ceil(64));
    if !count.is_multiple_of(64)
        && let Some(last) = words.get_mut(count / 64)
    {
        *last &= (1 << (count % 64)) - 1;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn looks_past_the_piece_for_unescaped_text() {
        let records = Records {
            spans: vec![[0, 1], [2, 2], [2, 5]],
            fields: 3,
            count: 1,
            unescaped: b"q\"r".to_vec(),
            ..Records::default()
        };
        assert_eq!(records.field(b"a,", 0, 0), b"a");
        assert_eq!(records.field(b"a,", 0, 1), b"");
        assert_eq!(records.field(b"a,", 0, 2), b"q\"r");
    }

    #[test]
    fn writes_spans_ahead_and_counts_those_that_matter() {
        let mut spans = Spans::over(vec![[9, 9]; 3]);
        for round in 0..2000 {
            spans.spare::<2>()[0] = [round, 0];
            spans.spare::<2>()[1] = [round, 1];
            spans.advance(2);
            spans.push([round, 2]);
            spans.spare::<2>()[0] = [7, 7];
        }
        spans.truncate(5999);
        let spans = spans.finish();
        assert_eq!(spans.len(), 5999);
        assert!((0..).zip(&spans).all(|(i, span)| *span == [i / 3, i % 3]));
    }

    #[test]
    fn sets_and_takes_back_bits_across_words() {
        let mut words = Vec::new();
        push_bits(&mut words, 0, 0b101);
        push_bits(&mut words, 60, 0b1010_1011);
        assert_eq!(words, [0xb << 60 | 0b101, 0b1010]);
        truncate_bits(&mut words, 62);
        assert_eq!(words, [0x3 << 60 | 0b101]);
        push_bits(&mut words, 64, 1);
        truncate_bits(&mut words, 65);
        assert_eq!(words, [0x3 << 60 | 0b101, 1]);
    }
}
