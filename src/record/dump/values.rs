//! The rows of INSERT as records: `(1, 'it''s', NULL), ...`, statement after statement.

use std::sync::Arc;

use memchr::memchr2;

use super::lexer::{DumpFlavor, Kind, Piece, Quoting, end_of_quoted};
use super::scan::end_of_row;
use crate::record::error::{FormatFault, RecordError, RecordFault};
use crate::record::reader::LONGEST_PIECE;
use crate::record::records::{Records, offset, set_bit};

/// What becomes of the values of a field.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FieldKind {
    /// Text that the column's type reads.
    Text,
    /// Bytes: strings stand for their own bytes.
    Bytes,
    /// MySQL's BIT: the number that the bytes are.
    Bits,
    /// MySQL's dates and times: `0000-00-00` is NULL.
    Moment,
    /// Nothing: the column computes its own values.
    Ignored,
}

/// How the rows of INSERT are written, and what their fields are for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ValuesFormat {
    /// How strings are written.
    pub quoting: Quoting,
    /// The fields.
    pub kinds: Arc<[FieldKind]>,
}

/// Reads rows of INSERT, piece by piece, as `Reader` does records of CSV.
#[derive(Debug)]
pub struct ValuesReader {
    format: ValuesFormat,
}

/// Why a row cannot be read.
type Fault = (usize, RecordFault);

impl ValuesReader {
    /// Returns a reader.
    pub fn new(format: ValuesFormat) -> Self {
        Self { format }
    }

    /// Reads whole rows from `bytes[start..]` into `records`, as `Reader::read` does.
    #[expect(clippy::too_many_arguments, reason = "offsets and counts that change with each call")]
    pub fn read(
        &mut self,
        bytes: &[u8],
        start: usize,
        limit: usize,
        max_records: usize,
        at_end: bool,
        records: &mut Records,
    ) -> Result<usize, RecordError> {
        let fields = self.format.kinds.len();
        records.restart_empty(fields);
        if bytes.len() > LONGEST_PIECE {
            return Err(RecordError::at(0, start, start, RecordFault::TooLong));
        }
        let piece = Piece { bytes, at_end, quoting: self.format.quoting };
        let mut next = start;
        loop {
            let Some(row) = next_row(piece, next) else {
                // What stands between rows need not be looked at again, unless it is not whole.
                return Ok(if at_end { bytes.len() } else { next });
            };
            if row >= limit || records.count == max_records {
                return Ok(row);
            }
            let end = match end_of_row(piece, row) {
                Ok(Some(end)) => end,
                Ok(None) => return Ok(row),
                Err(error) => {
                    let fault = RecordFault::Format(Box::new(FormatFault::new(error.message)));
                    return Err(RecordError::at(records.count, row, error.offset, fault));
                }
            };
            if let Err((at, fault)) = self.row(piece, row, records) {
                records.forget_unfinished();
                return Err(RecordError {
                    next: Some(end),
                    ..RecordError::at(records.count, row, at, fault)
                });
            }
            records.complete(row, end);
            next = end;
        }
    }

    /// Reads the row whose parenthesis opens at `row`, and closes in the piece.
    fn row(&self, piece: Piece<'_>, row: usize, records: &mut Records) -> Result<(), Fault> {
        let expected = self.format.kinds.len();
        let mut at = piece.skip_blank(row + 1);
        let mut got = 0;
        loop {
            let kind = self.format.kinds.get(got).copied().unwrap_or(FieldKind::Ignored);
            let null = records.count * expected + got;
            let (span, end) = self.value(piece, at, kind, records)?;
            if got < expected {
                if span.is_none() {
                    set_bit(records.nulls.get_or_insert_default(), null);
                }
                records.spans.push(span.unwrap_or([offset(at), offset(at)]));
            }
            got += 1;
            at = piece.skip_blank(end);
            match piece.bytes.get(at) {
                Some(b',') => at = piece.skip_blank(at + 1),
                Some(b')') if got == expected => return Ok(()),
                Some(b')') => return Err((at, RecordFault::FieldCount { expected, got })),
                _ => return Err(unsupported(at)),
            }
        }
    }

    /// Reads one value; returns where its text is, nothing for NULL, and the offset behind it.
    fn value(
        &self,
        piece: Piece<'_>,
        at: usize,
        kind: FieldKind,
        records: &mut Records,
    ) -> Result<(Option<[u32; 2]>, usize), Fault> {
        if kind == FieldKind::Ignored {
            return Ok((None, end_of_value(piece, at).ok_or_else(|| unsupported(at))?));
        }
        let bytes = piece.bytes;
        let mysql = self.format.quoting.flavor == DumpFlavor::MySql;
        match bytes.get(at) {
            Some(b'\'') => Ok(self.string(piece, at, kind, records)),
            Some(b'"') if mysql => Ok(self.string(piece, at, kind, records)),
            Some(b'e' | b'E') if !mysql && bytes.get(at + 1) == Some(&b'\'') => {
                Ok(self.string(piece, at + 1, kind, records))
            }
            Some(b'-' | b'+' | b'.' | b'0'..=b'9') => self.number(piece, at, kind, records),
            Some(b'_') if mysql => {
                // A character set: `_binary 'x'`.
                let word = piece.token(at).ok_or_else(|| unsupported(at))?;
                self.value(piece, piece.skip_blank(word.end), kind, records)
            }
            Some(b'x' | b'X' | b'b' | b'B') if mysql && bytes.get(at + 1) == Some(&b'\'') => {
                let end = end_of_quoted(bytes, at + 1, false).ok_or_else(|| unsupported(at))?;
                let digits = &bytes[at + 2..end - 1];
                let decoded = match bytes[at] {
                    b'x' | b'X' => decode_hex(digits),
                    _ => decode_bits(digits),
                };
                let decoded = decoded.ok_or_else(|| unsupported(at))?;
                Ok((Some(put_bytes(piece, &decoded, kind, records)), end))
            }
            _ => word(piece, at),
        }
    }

    /// Reads the string whose quote opens at `at`; the row is known to be whole.
    fn string(
        &self,
        piece: Piece<'_>,
        at: usize,
        kind: FieldKind,
        records: &mut Records,
    ) -> (Option<[u32; 2]>, usize) {
        let bytes = piece.bytes;
        let escapes = at > 0 && matches!(bytes[at - 1], b'e' | b'E');
        let backslash = self.format.quoting.backslash || escapes;
        let end = end_of_quoted(bytes, at, backslash).unwrap_or(bytes.len());
        let (quote, inner) = (bytes[at], at + 1..end - 1);
        let text = &bytes[inner.clone()];
        let plain = match backslash {
            true => memchr2(quote, b'\\', text).is_none(),
            false => memchr::memchr(quote, text).is_none(),
        };
        let zero = kind == FieldKind::Moment && text.starts_with(b"0000-00-00");
        let raw = matches!(kind, FieldKind::Bytes | FieldKind::Bits)
            && self.format.quoting.flavor == DumpFlavor::MySql;
        let span = match (zero, raw, plain) {
            (true, ..) => None,
            (_, true, _) => {
                let mut decoded = Vec::with_capacity(text.len());
                unescape(text, quote, backslash, self.format.quoting.flavor, &mut decoded);
                Some(put_bytes(piece, &decoded, kind, records))
            }
            (_, _, true) => Some([offset(inner.start), offset(inner.end)]),
            _ => {
                let first = records.unescaped.len();
                let out = &mut records.unescaped;
                unescape(text, quote, backslash, self.format.quoting.flavor, out);
                Some(unescaped_span(piece, first, records))
            }
        };
        (span, end)
    }

    /// Reads a number, also MySQL's `0x1F`.
    fn number(
        &self,
        piece: Piece<'_>,
        at: usize,
        kind: FieldKind,
        records: &mut Records,
    ) -> Result<(Option<[u32; 2]>, usize), Fault> {
        let rest = &piece.bytes[at..];
        let in_number = |byte: &u8| byte.is_ascii_alphanumeric() || b"+-._".contains(byte);
        let length = rest.iter().position(|byte| !in_number(byte)).unwrap_or(rest.len());
        let mysql = self.format.quoting.flavor == DumpFlavor::MySql;
        let digits = rest[..length].strip_prefix(b"0x").filter(|_| mysql);
        let span = match (digits, kind) {
            (Some(digits), _) => {
                let decoded = decode_hex(digits).ok_or_else(|| unsupported(at))?;
                put_bytes(piece, &decoded, kind, records)
            }
            _ => [offset(at), offset(at + length)],
        };
        Ok((Some(span), at + length))
    }
}

/// Returns where the next row opens: behind a comma, or behind the head of the next statement.
fn next_row(piece: Piece<'_>, mut at: usize) -> Option<usize> {
    let mut in_head = false;
    loop {
        at = piece.skip_blank(at);
        if piece.bytes.get(at) == Some(&b'(') && !in_head {
            return Some(at);
        }
        let token = piece.token(at)?;
        if token.kind == Kind::Word {
            let word = &piece.bytes[at..token.end];
            // The scanner has seen that the statement is like those before it, so VALUES ends its head,
            // and behind a row stands nothing but ON CONFLICT DO NOTHING.
            in_head = match in_head {
                true => !word.eq_ignore_ascii_case(b"VALUES"),
                false => {
                    word.eq_ignore_ascii_case(b"INSERT") || word.eq_ignore_ascii_case(b"REPLACE")
                }
            };
        }
        at = token.end;
    }
}

/// Reads NULL, TRUE and FALSE.
fn word(piece: Piece<'_>, at: usize) -> Result<(Option<[u32; 2]>, usize), Fault> {
    let token = piece.token(at).filter(|token| token.kind == Kind::Word);
    let end = token.ok_or_else(|| unsupported(at))?.end;
    match piece.bytes[at..end].to_ascii_uppercase().as_slice() {
        b"NULL" => Ok((None, end)),
        b"TRUE" | b"FALSE" => Ok((Some([offset(at), offset(end)]), end)),
        _ => Err(unsupported(at)),
    }
}

fn unsupported(at: usize) -> Fault {
    let fault = FormatFault::new("only literals are supported as values of INSERT");
    (at, RecordFault::Format(Box::new(fault.of_byte())))
}

/// Returns the offset behind any expression, where a comma or the row's end stands.
fn end_of_value(piece: Piece<'_>, mut at: usize) -> Option<usize> {
    let mut depth = 0_usize;
    loop {
        let token = piece.token(at)?;
        match token.kind {
            Kind::Other(b',') if depth == 0 => return Some(at),
            Kind::Other(b')') if depth == 0 => return Some(at),
            Kind::Other(b'(' | b'[') => depth += 1,
            Kind::Other(b')' | b']') => depth = depth.saturating_sub(1),
            Kind::Open => return None,
            _ => {}
        }
        at = token.end;
    }
}

/// Keeps decoded bytes as text that the column's type reads.
fn put_bytes(piece: Piece<'_>, decoded: &[u8], kind: FieldKind, records: &mut Records) -> [u32; 2] {
    let first = records.unescaped.len();
    let out = &mut records.unescaped;
    match kind {
        FieldKind::Bytes => {
            out.extend_from_slice(b"\\x");
            for byte in decoded {
                let digit = |nibble: u8| b"0123456789abcdef"[usize::from(nibble)];
                out.extend([digit(byte >> 4), digit(byte & 15)]);
            }
        }
        FieldKind::Bits => {
            let number =
                decoded.iter().fold(0_u128, |number, byte| number << 8 | u128::from(*byte));
            out.extend_from_slice(number.to_string().as_bytes());
        }
        _ => out.extend_from_slice(decoded),
    }
    unescaped_span(piece, first, records)
}

/// Returns the span of what was added to the unescaped text from `first` on.
fn unescaped_span(piece: Piece<'_>, first: usize, records: &Records) -> [u32; 2] {
    let base = piece.bytes.len();
    [offset(base + first), offset(base + records.unescaped.len())]
}

fn decode_hex(digits: &[u8]) -> Option<Vec<u8>> {
    let digit = |byte: u8| char::from(byte).to_digit(16).and_then(|digit| u8::try_from(digit).ok());
    let (odd, rest) = digits.split_at(digits.len() % 2);
    let head = odd.first().map(|byte| digit(*byte));
    let pairs = rest.chunks_exact(2).map(|pair| Some(digit(pair[0])? << 4 | digit(pair[1])?));
    head.into_iter().chain(pairs).collect()
}

fn decode_bits(digits: &[u8]) -> Option<Vec<u8>> {
    let bit = |byte: &u8| matches!(byte, b'0' | b'1').then(|| byte - b'0');
    let bits: Vec<u8> = digits.iter().map(bit).collect::<Option<_>>()?;
    let byte = |bits: &[u8]| bits.iter().fold(0, |byte, bit| byte << 1 | bit);
    Some(bits.rchunks(8).rev().map(byte).collect())
}

/// Appends the text of a string literal, without its quotes, to `out`.
fn unescape(text: &[u8], quote: u8, backslash: bool, flavor: DumpFlavor, out: &mut Vec<u8>) {
    let mut rest = text;
    while let Some(&byte) = rest.first() {
        if byte == quote {
            // Inside it is doubled.
            out.push(quote);
            rest = rest.get(2..).unwrap_or_default();
        } else if byte == b'\\' && backslash {
            rest = match flavor {
                DumpFlavor::MySql => unescape_mysql(&rest[1..], out),
                DumpFlavor::Postgres => unescape_postgres(&rest[1..], out),
            };
        } else {
            let end = memchr2(quote, b'\\', &rest[1..]).map_or(rest.len(), |end| end + 1);
            out.extend_from_slice(&rest[..end]);
            rest = &rest[end..];
        }
    }
}

/// Appends what an escape of MySQL stands for; returns what follows.
fn unescape_mysql<'a>(rest: &'a [u8], out: &mut Vec<u8>) -> &'a [u8] {
    let Some((byte, rest)) = rest.split_first() else { return rest };
    out.push(match byte {
        b'0' => 0,
        b'b' => 8,
        b'n' => b'\n',
        b'r' => b'\r',
        b't' => b'\t',
        b'Z' => 0x1a,
        other => *other,
    });
    rest
}

/// Appends what an escape of an `E''` string stands for; returns what follows.
fn unescape_postgres<'a>(rest: &'a [u8], out: &mut Vec<u8>) -> &'a [u8] {
    let Some((byte, rest)) = rest.split_first() else { return rest };
    let digits = |rest: &'a [u8], radix: u32, most: usize| {
        let length =
            rest.iter().take(most).take_while(|byte| char::from(**byte).is_digit(radix)).count();
        let value = rest[..length]
            .iter()
            .fold(0, |value, byte| value * radix + char::from(*byte).to_digit(radix).unwrap_or(0));
        (value, length)
    };
    match byte {
        b'b' => out.push(8),
        b'f' => out.push(12),
        b'n' => out.push(b'\n'),
        b'r' => out.push(b'\r'),
        b't' => out.push(b'\t'),
        b'0'..=b'7' => {
            let (more, length) = digits(rest, 8, 2);
            let width = u32::try_from(length).unwrap_or(0);
            let value = u32::from(byte - b'0') * 8_u32.pow(width) + more;
            out.push(u8::try_from(value & 0xff).unwrap_or(0));
            return &rest[length..];
        }
        b'x' => {
            let (value, length) = digits(rest, 16, 2);
            match u8::try_from(value) {
                Ok(value) if length > 0 => out.push(value),
                _ => out.push(b'x'),
            }
            return &rest[length..];
        }
        b'u' | b'U' => {
            let (value, length) = digits(rest, 16, if *byte == b'u' { 4 } else { 8 });
            let decoded = char::from_u32(value).unwrap_or(char::REPLACEMENT_CHARACTER);
            out.extend_from_slice(decoded.encode_utf8(&mut [0; 4]).as_bytes());
            return &rest[length..];
        }
        other => out.push(*other),
    }
    rest
}
