//! The fast reader: runs of well-formed records by bit masks over blocks of 64 bytes.
//!
//! Quotes are paired by parity: a byte lies inside quotes if the number of quotes up to it is odd.
//! That is right as long as every opening quote follows a delimiter, a line end or a closing quote
//! (a doubled one), and every closing quote is followed by one of these. Where that fails, or a
//! record has not the wanted number of fields, the run stops before the record and the exact
//! reader takes over. So a run never decides what an odd record means.
//!
//! The delimiter must be one byte and no quote, the quote must be one byte that the text may hold, and
//! nothing may escape it but a second one. Where no field is quoted, the quote is a byte that the text
//! does not hold.

use memchr::memchr;

#[cfg(target_arch = "x86_64")]
use super::blocks::avx512::{FIELDS, spans};
use super::blocks::{BLOCK, Masks, Signs, words};
use super::records::{Records, Spans, offset, push_bits, truncate_bits};

/// The blocks that are scanned at once, at most: their masks stay in the nearest cache.
const BATCH: usize = 64;

/// The bits of a mask.
#[cfg(target_arch = "x86_64")]
const BLOCK_BITS: u32 = u64::BITS;

/// The blocks that are scanned first, so that many short runs cost little.
const FIRST_BATCH: usize = 4;

/// Why a run ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Stop {
    /// The limit or the wanted number of records is reached.
    Done,
    /// The next line may be a comment.
    Comment,
    /// The record that comes next is for the exact reader.
    Unusual,
    /// The bytes end inside the record that comes next, or before it.
    Partial,
}

/// How a run reads, the same for all runs of one call.
#[derive(Clone, Copy)]
pub(super) struct Settings {
    /// The byte between fields and the one around them.
    pub(super) signs: Signs,
    /// The first byte of a comment.
    pub(super) comment: Option<u8>,
    /// Records that start here or later are left.
    pub(super) limit: usize,
    /// The number of records after which to stop.
    pub(super) max_records: usize,
    /// The vector instructions that may be used. Invariant: at most those that `vectors` found.
    pub(super) vectors: Vectors,
}

/// The vector instructions that runs are faster with.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd)]
pub(super) enum Vectors {
    /// None.
    None,
    /// AVX2 and what came with it.
    Avx2,
    /// AVX-512 besides, with its instructions for bytes (VBMI2).
    Avx512,
}

/// Returns the best vector instructions that the processor has.
pub(super) fn vectors() -> Vectors {
    #[cfg(target_arch = "x86_64")]
    if is_x86_feature_detected!("avx2")
        && is_x86_feature_detected!("pclmulqdq")
        && is_x86_feature_detected!("bmi1")
        && is_x86_feature_detected!("bmi2")
        && is_x86_feature_detected!("lzcnt")
        && is_x86_feature_detected!("popcnt")
    {
        let wide = is_x86_feature_detected!("avx512f")
            && is_x86_feature_detected!("avx512bw")
            && is_x86_feature_detected!("avx512vbmi2");
        return if wide { Vectors::Avx512 } else { Vectors::Avx2 };
    }
    Vectors::None
}

/// What the quotes, delimiters and line feeds of one block mean.
struct Structure {
    /// Delimiters and line ends outside quotes.
    separators: u64,
    /// Line ends outside quotes.
    newlines: u64,
    /// Quotes that follow a closing quote.
    doubled: u64,
    /// Bytes at which the parity of quotes is shown to mean nothing.
    faults: u64,
}

/// One run of well-formed records.
pub(super) struct Run<'a> {
    bytes: &'a [u8],
    settings: Settings,
    records: &'a mut Records,
    spans: &'a mut Spans,
    /// The start of the record in hand.
    record: usize,
    /// The number of spans before it.
    first: usize,
    /// The start of the field in hand.
    field: u32,
    /// All ones if the block before ended inside quotes.
    inside: u64,
    /// One if the block before ended in a separator.
    separated: u64,
    /// One if the block before ended in a closing quote.
    closed: u64,
    /// Whether the field in hand has doubled quotes.
    doubled: bool,
    /// The length of `Records::unescaped` at the start of the record in hand.
    unescaped: usize,
}

impl<'a> Run<'a> {
    /// Returns a run that starts at `start`, where a record starts, and adds to `records` and its
    /// `spans`.
    pub(super) fn new(
        bytes: &'a [u8],
        start: usize,
        settings: Settings,
        records: &'a mut Records,
        spans: &'a mut Spans,
    ) -> Self {
        Self {
            bytes,
            settings,
            record: start,
            first: spans.len(),
            field: offset(start),
            inside: 0,
            separated: 1,
            closed: 0,
            doubled: false,
            unescaped: records.unescaped.len(),
            records,
            spans,
        }
    }

    /// Reads records until something stops the run; returns why, and where the next record starts.
    pub(super) fn read(mut self) -> (Stop, usize) {
        let stop = match self.settings.vectors {
            Vectors::None => self.read_by_words(),
            vectors => self.read_by_vectors(vectors),
        };
        // The fields of the record in hand are taken back.
        self.spans.truncate(self.first);
        self.records.unescaped.truncate(self.unescaped);
        if let Some(quoted) = &mut self.records.quoted {
            truncate_bits(quoted, self.first);
        }
        (stop, self.record)
    }

    /// Reads records by instructions that every processor of the architecture has.
    fn read_by_words(&mut self) -> Stop {
        self.read_blocks(words::scan, Self::push_fields)
    }

    /// Reads records by vector instructions.
    #[cfg(target_arch = "x86_64")]
    #[expect(
        unsafe_code,
        reason = "calling code for AVX2 is unsafe by rule; it makes reading 1.9 times as fast"
    )]
    fn read_by_vectors(&mut self, vectors: Vectors) -> Stop {
        // SAFETY: `vectors` names only features that the processor has.
        unsafe {
            if vectors == Vectors::Avx512 { self.read_by_avx512() } else { self.read_by_avx2() }
        }
    }

    /// Reads records by words: there are no vector instructions to choose.
    #[cfg(not(target_arch = "x86_64"))]
    fn read_by_vectors(&mut self, _vectors: Vectors) -> Stop {
        self.read_by_words()
    }

    /// Reads records by AVX2 and what comes with it.
    #[cfg(target_arch = "x86_64")]
    #[target_feature(enable = "avx2,pclmulqdq,bmi1,bmi2,lzcnt,popcnt")]
    fn read_by_avx2(&mut self) -> Stop {
        self.read_blocks(
            |blocks, signs, masks| super::blocks::avx2::scan(blocks, signs, masks),
            Self::push_fields,
        )
    }

    /// Reads records by AVX-512 and what comes with it.
    #[cfg(target_arch = "x86_64")]
    #[target_feature(enable = "avx512f,avx512bw,avx512vbmi2,avx2,pclmulqdq,bmi1,bmi2,lzcnt,popcnt")]
    fn read_by_avx512(&mut self) -> Stop {
        self.read_blocks(
            |blocks, signs, masks| super::blocks::avx512::scan(blocks, signs, masks),
            |run, base, separators, quotes| run.push_fields_at_once(base, separators, quotes),
        )
    }

    /// Reads records with the masks that `scan` finds, and adds fields by `push`.
    #[expect(clippy::inline_always, reason = "must be compiled for the features of its caller")]
    #[inline(always)]
    fn read_blocks(
        &mut self,
        scan: impl Fn(&[[u8; BLOCK]], Signs, &mut [Masks]),
        push: impl Fn(&mut Self, usize, u64, u64),
    ) -> Stop {
        let signs = self.settings.signs;
        let mut base = self.record;
        let mut masks = [Masks::default(); BATCH];
        let (mut blocks, rest) = self.bytes[base..].as_chunks::<BLOCK>();
        let mut size = FIRST_BATCH;
        while !blocks.is_empty() {
            let (batch, later) = blocks.split_at(size.min(blocks.len()));
            scan(batch, signs, &mut masks);
            for masks in &masks[..batch.len()] {
                if let Some(stop) = self.read_block(base, *masks, &push) {
                    return stop;
                }
                base += BLOCK;
            }
            blocks = later;
            size = (size * 2).min(BATCH);
        }
        // NUL is neither a quote, a line feed nor a delimiter.
        let mut last = [0; BLOCK];
        last[..rest.len()].copy_from_slice(rest);
        scan(&[last], signs, &mut masks);
        self.read_block(base, masks[0], &push).unwrap_or(Stop::Partial)
    }

    /// Adds the fields that end in the block at `base`.
    #[expect(clippy::inline_always, reason = "must be compiled for the features of its caller")]
    #[inline(always)]
    fn read_block(
        &mut self,
        base: usize,
        masks: Masks,
        push: &impl Fn(&mut Self, usize, u64, u64),
    ) -> Option<Stop> {
        let found = self.structure(base, masks);
        // Only what lies before the first fault counts.
        let sound = if found.faults == 0 { u64::MAX } else { lowest(found.faults) - 1 };
        let mut separators = found.separators & sound;
        let mut newlines = found.newlines & sound;
        self.doubled |= found.doubled != 0;
        while newlines != 0 {
            let through = newlines ^ (newlines - 1);
            push(self, base, separators & through, masks.quotes);
            separators &= !through;
            let newline = base + newlines.trailing_zeros() as usize;
            newlines &= newlines - 1;
            if let Some(stop) = self.finish_record(newline) {
                return Some(stop);
            }
        }
        if found.faults != 0 {
            return Some(Stop::Unusual);
        }
        push(self, base, separators, masks.quotes);
        if self.doubled && found.separators != 0 {
            self.doubled = found.doubled >> found.separators.ilog2() != 0;
        }
        None
    }

    /// Works out what the bytes of a block mean from what the block before ended in.
    #[expect(clippy::inline_always, reason = "must be compiled for the features of its caller")]
    #[inline(always)]
    fn structure(&mut self, base: usize, masks: Masks) -> Structure {
        let inside = masks.odd ^ self.inside;
        self.inside = (inside.cast_signed() >> 63).cast_unsigned();
        let newlines = masks.newlines & !inside;
        let separators = (masks.delimiters | masks.newlines) & !inside;
        let opening = masks.quotes & inside;
        let closing = masks.quotes & !inside;
        let after_closing = closing << 1 | self.closed;
        let after_separator = separators << 1 | self.separated;
        self.closed = closing >> 63;
        self.separated = separators >> 63;
        let mut faults = opening & !(after_separator | after_closing);
        let unclear = after_closing & !(separators | opening);
        if unclear != 0 {
            faults |= self.without_line_ends(base, unclear);
        }
        Structure { separators, newlines, doubled: opening & after_closing, faults }
    }

    /// Returns those of the places `after` where no carriage return and line feed stand.
    fn without_line_ends(&self, base: usize, mut after: u64) -> u64 {
        let mut others = after;
        while after != 0 {
            let at = base + after.trailing_zeros() as usize;
            if self.bytes.get(at..at + 2) == Some(b"\r\n") {
                others &= !lowest(after);
            }
            after &= after - 1;
        }
        others
    }

    /// Adds the fields that end at `separators`.
    #[expect(clippy::inline_always, reason = "must be compiled for the features of its caller")]
    #[inline(always)]
    fn push_fields(&mut self, base: usize, mut separators: u64, _quotes: u64) {
        if self.doubled {
            return self.push_doubled(base, separators);
        }
        let bytes = self.bytes;
        let sign = self.settings.signs.quote;
        let base = offset(base);
        let mut field = self.field;
        while separators != 0 {
            let count = (separators.count_ones() as usize).min(Spans::STEP);
            let mut start = field;
            let mut quotes = 0;
            // The last fields may be too many: they lie anywhere, and do not count. Writing them
            // costs less than a branch that cannot be foreseen.
            for (index, span) in self.spans.spare::<{ Spans::STEP }>().iter_mut().enumerate() {
                let end = base + separators.trailing_zeros();
                let first = bytes.get(start as usize).copied().unwrap_or_default();
                let quote = u32::from(first == sign);
                *span = [start + quote, end.wrapping_sub(quote)];
                quotes |= u64::from(quote) << index;
                start = end + 1;
                field = if index < count { start } else { field };
                separators &= separators.wrapping_sub(1);
            }
            if let Some(quoted) = &mut self.records.quoted {
                push_bits(quoted, self.spans.len(), quotes & ((1 << count) - 1));
            }
            self.spans.advance(count);
        }
        self.field = field;
    }

    /// Adds the fields that end at `separators`, sixteen at a time.
    #[cfg(target_arch = "x86_64")]
    #[inline]
    #[target_feature(enable = "avx512f,avx512bw,avx512vbmi2,avx2,pclmulqdq,bmi1,bmi2,lzcnt,popcnt")]
    fn push_fields_at_once(&mut self, base: usize, mut separators: u64, quotes: u64) {
        if self.doubled || self.records.quoted.is_some() {
            return self.push_fields(base, separators, quotes);
        }
        let bytes = self.bytes;
        let sign = self.settings.signs.quote;
        let base = offset(base);
        while separators != 0 {
            let first = bytes.get(self.field as usize) == Some(&sign);
            let spare = self.spans.spare::<FIELDS>();
            let taken = spans(spare, separators, (base, self.field), (quotes, first));
            let count = taken.count_ones() as usize;
            self.spans.advance(count);
            self.field = base + BLOCK_BITS - taken.leading_zeros();
            separators ^= taken;
        }
    }

    /// Adds the fields that end at `separators`, some of which may have doubled quotes.
    #[cold]
    fn push_doubled(&mut self, base: usize, mut separators: u64) {
        while separators != 0 {
            let end = offset(base) + separators.trailing_zeros();
            separators &= separators - 1;
            if let Some(quoted) = &mut self.records.quoted {
                let quote = self.bytes[self.field as usize] == self.settings.signs.quote;
                push_bits(quoted, self.spans.len(), u64::from(quote));
            }
            let span = self.unescape(self.field, end);
            self.spans.push(span);
            self.field = end + 1;
        }
    }

    /// Returns the span of the field from `start` to the separator at `end`, with doubled quotes
    /// taken out. A carriage return before a line feed stays in the span, as in `push_fields`.
    fn unescape(&mut self, start: u32, end: u32) -> [u32; 2] {
        let sign = self.settings.signs.quote;
        let field = &self.bytes[start as usize..end as usize];
        let Some(mut text) = field.strip_prefix(&[sign]) else {
            return [start, end];
        };
        let carriage_return = usize::from(text.ends_with(b"\r"));
        text = &text[..text.len() - 1 - carriage_return];
        if memchr(sign, text).is_none() {
            return [start + 1, end - 1];
        }
        let unescaped = &mut self.records.unescaped;
        let from = unescaped.len();
        while let Some(quote) = memchr(sign, text) {
            unescaped.extend_from_slice(&text[..=quote]);
            text = &text[quote + 2..];
        }
        unescaped.extend_from_slice(text);
        [from, unescaped.len()].map(|at| offset(self.bytes.len() + at))
    }

    /// Ends the record in hand at the line feed at `newline`.
    #[expect(clippy::inline_always, reason = "must be compiled for the features of its caller")]
    #[inline(always)]
    fn finish_record(&mut self, newline: usize) -> Option<Stop> {
        let fields = self.records.fields;
        let length = self.bytes.len();
        let spans = self.spans.tail(self.first);
        if newline > self.record
            && self.bytes[newline - 1] == b'\r'
            && let Some(last) = spans.last_mut()
            && (last[0] as usize) < length
        {
            last[1] -= 1;
        }
        if spans.len() != fields || fields == 1 {
            if *spans == [[offset(self.record); 2]] {
                // A blank line is no record.
                self.spans.truncate(self.first);
                return self.start_record(newline + 1);
            }
            if !self.drop_extra() {
                return Some(Stop::Unusual);
            }
        }
        self.records.starts.push(offset(self.record));
        self.records.count += 1;
        self.first += fields;
        self.unescaped = self.records.unescaped.len();
        self.start_record(newline + 1)
    }

    /// Leaves out a field too many of the record in hand if it is empty and, where quotes matter,
    /// not quoted; returns whether the record has the wanted number of fields.
    fn drop_extra(&mut self) -> bool {
        let fields = self.records.fields;
        let (bytes, keep_quoted) = (self.bytes, self.records.quoted.is_some());
        let spans = self.spans.tail(self.first);
        if spans.len() != fields + 1 {
            return spans.len() == fields;
        }
        let [start, end] = spans[fields];
        let quoted = start > 0 && bytes.get(start as usize - 1) == Some(&self.settings.signs.quote);
        if start != end || quoted && keep_quoted {
            return false;
        }
        self.spans.truncate(self.first + fields);
        true
    }

    /// Begins the record in hand at `start`, unless the run ends there.
    #[expect(clippy::inline_always, reason = "must be compiled for the features of its caller")]
    #[inline(always)]
    fn start_record(&mut self, start: usize) -> Option<Stop> {
        self.record = start;
        if start >= self.settings.limit || self.records.count >= self.settings.max_records {
            return Some(Stop::Done);
        }
        let comment = self.settings.comment.is_some()
            && self.bytes.get(start).copied() == self.settings.comment;
        comment.then_some(Stop::Comment)
    }
}

/// Returns the lowest set bit of `bits`, alone.
fn lowest(bits: u64) -> u64 {
    bits & bits.wrapping_neg()
}
