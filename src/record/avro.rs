//! The reader of Avro: container files, and files of bare records whose schema is told.
//!
//! Values become text, which the parsers of columns read; rows have no place of their own but that of
//! the block they stand in. A file that is cut short or damaged is an error.

use std::borrow::Cow;
use std::io::Read;
use std::sync::Arc;

use super::avro_json::write_json_cell;
use super::avro_schema::{AvroSchema, NO_SCHEMA};
use super::avro_value::{ValueReader, Wrong};
use super::error::{FormatFault, RecordError, RecordFault};
use super::json::{JsonField, JsonForm};
use super::reader::LONGEST_PIECE;
use super::records::{Records, offset, set_bit};

/// What is wanted of Avro files.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AvroFormat {
    /// The fields, in the order of records.
    pub fields: Arc<[JsonField]>,
    /// How records are kept.
    pub layout: AvroLayout,
    /// Whether a field that the table lacks, and a column that the file lacks, is an error.
    pub strict: bool,
    /// The most bytes that a bare record may have.
    pub max_row_size: usize,
}

/// How records of Avro are kept.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum AvroLayout {
    /// In a container with its schema.
    Container,
    /// One binary record after the other, with a character behind each.
    Binary(Arc<AvroSchema>, char),
    /// One record in JSON after the other, with a character behind each.
    Json(Arc<AvroSchema>, char),
}

/// The most bytes that a block may have once it is decompressed.
const LARGEST_BLOCK: u64 = 256 << 20;

/// After how many bytes of text a reader takes no further block.
const ENOUGH_TEXT: usize = 64 << 20;

/// The most rows of a block that takes no bytes.
const MOST_EMPTY: u64 = 1 << 20;

/// How the blocks of a container are compressed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Codec {
    Null,
    Deflate,
    Snappy,
    Zstandard,
    Bzip2,
    Xz,
}

/// What the head of a container says.
#[derive(Clone)]
struct Container {
    codec: Codec,
    sync: [u8; 16],
}

/// A stretch of a file.
#[derive(Clone, Copy)]
pub(super) struct Stretch<'a> {
    /// The bytes.
    pub(super) bytes: &'a [u8],
    /// Where reading starts.
    pub(super) start: usize,
    /// Whether the file ends with them.
    pub(super) at_end: bool,
}

/// Reads the records of one file, piece by piece.
pub struct AvroReader {
    format: AvroFormat,
    /// The schema, once it is known, and for each of its fields which field of records it is.
    schema: Option<(Arc<AvroSchema>, Vec<Option<usize>>)>,
    container: Option<Container>,
}

impl AvroReader {
    /// Returns a reader of one file.
    pub(super) fn new(format: AvroFormat) -> Self {
        Self { format, schema: None, container: None }
    }

    /// Reads whole blocks or records, as `Reader::read` reads records.
    pub(super) fn read(
        &mut self,
        stretch: Stretch<'_>,
        max_records: usize,
        records: &mut Records,
    ) -> Result<usize, RecordError> {
        let Stretch { bytes, start, .. } = stretch;
        if bytes.len() > LONGEST_PIECE {
            return Err(RecordError::at(0, start, start, RecordFault::TooLong));
        }
        records.restart_empty(self.format.fields.len());
        let read = match self.format.layout.clone() {
            AvroLayout::Container => self.read_blocks(stretch, max_records, records),
            AvroLayout::Binary(schema, end) | AvroLayout::Json(schema, end) => {
                self.read_bare(stretch, (&schema, end), max_records, records)
            }
        };
        read.map_err(|(at, message)| {
            records.forget_unfinished();
            told(records.count, at, FormatFault::new(message))
        })
    }

    /// Learns the schema, and which of its fields are wanted.
    fn learn(&mut self, schema: &Arc<AvroSchema>) -> Result<(), String> {
        if self.schema.is_some() {
            return Ok(());
        }
        let wanted = &self.format.fields;
        let mut map: Vec<Option<usize>> = Vec::new();
        for (name, _) in schema.fields() {
            let found = wanted
                .iter()
                .position(|field| field.name == *name)
                .or_else(|| wanted.iter().position(|field| field.name.eq_ignore_ascii_case(name)));
            if found.is_none() && self.format.strict {
                return Err(format!("the schema has the field \"{name}\", which the table lacks"));
            }
            if found.is_some() && map.contains(&found) {
                return Err(format!("the schema has the field \"{name}\" twice"));
            }
            map.push(found);
        }
        let missing = (0..wanted.len()).find(|field| !map.contains(&Some(*field)));
        if let Some(field) = missing.filter(|_| self.format.strict) {
            return Err(format!("the schema lacks the field \"{}\"", wanted[field].name));
        }
        self.schema = Some((Arc::clone(schema), map));
        Ok(())
    }

    /// Reads the head of a container, if it was not read; returns what follows, or `None` if it is not
    /// whole.
    fn read_head(&mut self, bytes: &[u8], start: usize) -> Result<Option<usize>, String> {
        if self.container.is_some() {
            return Ok(Some(start));
        }
        let head = &bytes[start..];
        let magic = b"Obj\x01";
        if !head.starts_with(magic) {
            return if magic.starts_with(head) {
                Ok(None)
            } else {
                Err("the file is no Avro container".to_owned())
            };
        }
        match parse_head(&head[magic.len()..]) {
            Ok((container, schema, length)) => {
                self.learn(&Arc::new(schema))?;
                self.container = Some(container);
                Ok(Some(start + magic.len() + length))
            }
            Err(Wrong::End) => Ok(None),
            Err(Wrong::Value(message)) => Err(message),
        }
    }

    fn read_blocks(
        &mut self,
        Stretch { bytes, start, at_end }: Stretch<'_>,
        max_records: usize,
        records: &mut Records,
    ) -> Result<usize, (usize, String)> {
        if start >= bytes.len() && self.container.is_some() {
            return Ok(start);
        }
        let short = |at: usize| {
            if at_end { Err((at, "unexpected end of file".to_owned())) } else { Ok(at) }
        };
        let mut at = match self.read_head(bytes, start) {
            Ok(Some(at)) => at,
            Ok(None) => return short(start),
            Err(message) => return Err((start, message)),
        };
        let Some(container) = self.container.clone() else { return Ok(at) };
        while at < bytes.len()
            && records.count < max_records
            && records.unescaped.len() < ENOUGH_TEXT
        {
            let (count, data, next) = match find_block(bytes, at, &container) {
                Ok(block) => block,
                Err(Wrong::End) => return short(at),
                Err(Wrong::Value(message)) => return Err((at, message)),
            };
            let data = decompressed(container.codec, data).map_err(|message| (at, message))?;
            self.read_block(&data, (count, at, bytes.len()), max_records, records)
                .map_err(|message| (at, message))?;
            at = next;
        }
        Ok(at)
    }

    /// Reads the `count` rows of a block that starts at `at` of a piece of `length` bytes.
    fn read_block(
        &self,
        data: &[u8],
        (count, at, length): (u64, usize, usize),
        max_records: usize,
        records: &mut Records,
    ) -> Result<(), String> {
        let Some((schema, map)) = &self.schema else { return Ok(()) };
        let mut reader = ValueReader { schema, bytes: data, at: 0 };
        for number in 0..count {
            if records.count >= max_records {
                return Ok(());
            }
            if data.is_empty() && number >= MOST_EMPTY {
                return Err("a block has too many empty rows".to_owned());
            }
            self.read_row(&mut reader, map, length, records).map_err(|wrong| match wrong {
                Wrong::End => "a block ends within a row".to_owned(),
                Wrong::Value(message) => message,
            })?;
            records.complete(at, at);
        }
        if reader.at == data.len() {
            Ok(())
        } else {
            Err("a block has bytes behind its rows".to_owned())
        }
    }

    /// Reads a row whose texts are copied, with offsets from `length` on.
    fn read_row(
        &self,
        reader: &mut ValueReader<'_>,
        map: &[Option<usize>],
        length: usize,
        records: &mut Records,
    ) -> Result<(), Wrong> {
        let first = self.start_row(map, records);
        let schema = reader.schema;
        let mut ignored = Vec::new();
        for ((_, index), field) in schema.fields().iter().zip(map) {
            let Some(field) = field else {
                ignored.clear();
                reader.cell(*index, JsonForm::Text, 0, &mut ignored)?;
                continue;
            };
            let form = self.format.fields[*field].form;
            let start = records.unescaped.len();
            if reader.cell(*index, form, 0, &mut records.unescaped)? {
                set_bit(records.nulls.get_or_insert_default(), first + field);
                continue;
            }
            if length + records.unescaped.len() > LONGEST_PIECE * 2 {
                return Err(Wrong::Value("the rows of a block are too long".to_owned()));
            }
            records.spans[first + field] =
                [offset(length + start), offset(length + records.unescaped.len())];
        }
        Ok(())
    }

    /// Adds a row of empty cells, with those noted that the file lacks; returns the first of them.
    fn start_row(&self, map: &[Option<usize>], records: &mut Records) -> usize {
        let first = records.spans.len();
        records.spans.resize(first + self.format.fields.len(), [0; 2]);
        for field in (0..self.format.fields.len()).filter(|field| !map.contains(&Some(*field))) {
            set_bit(records.missing.get_or_insert_default(), first + field);
            set_bit(records.nulls.get_or_insert_default(), first + field);
        }
        first
    }

    /// Reads records that stand one after the other.
    fn read_bare(
        &mut self,
        Stretch { bytes, start, at_end }: Stretch<'_>,
        (schema, end): (&Arc<AvroSchema>, char),
        max_records: usize,
        records: &mut Records,
    ) -> Result<usize, (usize, String)> {
        self.learn(schema).map_err(|message| (start, message))?;
        let Some((schema, map)) = &self.schema else { return Ok(start) };
        let mut mark = [0; 4];
        let mark = end.encode_utf8(&mut mark).as_bytes();
        let json = matches!(self.format.layout, AvroLayout::Json(..));
        let mut at = start;
        while at < bytes.len() && records.count < max_records {
            let read = if json {
                self.read_json_row(bytes, (at, mark, at_end), (schema, map), records)
            } else {
                let mut reader = ValueReader { schema, bytes, at };
                let read = self.read_row(&mut reader, map, bytes.len(), records);
                read.and_then(|()| behind(bytes, reader.at, mark, at_end))
            };
            let size = |next: usize| next - at > self.format.max_row_size + mark.len();
            match read {
                Ok(next) if size(next) => return Err((at, "line too long".to_owned())),
                Ok(next) => {
                    let empty = records.spans.len() == records.count * records.fields;
                    if !empty || records.fields == 0 {
                        records.complete(at, next);
                    }
                    at = next;
                }
                Err(Wrong::End) if size(bytes.len()) => {
                    return Err((at, "line too long".to_owned()));
                }
                Err(Wrong::End) if !at_end => {
                    records.forget_unfinished();
                    return Ok(at);
                }
                Err(Wrong::End) => return Err((at, "unexpected end of file".to_owned())),
                Err(Wrong::Value(message)) => return Err((at, message)),
            }
        }
        Ok(at)
    }

    /// Reads the record in JSON at `at`; returns where the next one starts. Blank ones make no row.
    fn read_json_row(
        &self,
        bytes: &[u8],
        (at, mark, at_end): (usize, &[u8], bool),
        (schema, map): (&AvroSchema, &[Option<usize>]),
        records: &mut Records,
    ) -> Result<usize, Wrong> {
        let rest = &bytes[at..];
        let (text, next) = match memchr::memmem::find(rest, mark) {
            Some(length) => (&rest[..length], at + length + mark.len()),
            None if at_end => (rest, bytes.len()),
            None => return Err(Wrong::End),
        };
        if text.trim_ascii().is_empty() {
            return Ok(next);
        }
        let value: serde_json::Value =
            serde_json::from_slice(text).map_err(|error| Wrong::Value(error.to_string()))?;
        let first = self.start_row(map, records);
        for ((name, index), field) in schema.fields().iter().zip(map) {
            let Some(field) = field else { continue };
            let member = value.get(name);
            let member = member.ok_or_else(|| {
                Wrong::Value(format!("the record lacks the field \"{name}\" of its schema"))
            })?;
            let form = self.format.fields[*field].form;
            let start = records.unescaped.len();
            if write_json_cell(schema, *index, member, form, &mut records.unescaped)? {
                set_bit(records.nulls.get_or_insert_default(), first + field);
                continue;
            }
            records.spans[first + field] =
                [offset(bytes.len() + start), offset(bytes.len() + records.unescaped.len())];
        }
        Ok(next)
    }
}

#[cold]
fn told(record: usize, at: usize, fault: FormatFault) -> RecordError {
    let fault = match fault.message.as_ref() {
        "line too long" => fault.hint("A larger max_row_size allows longer records."),
        _ => fault,
    };
    RecordError::at(record, at, at, RecordFault::Format(Box::new(fault)))
}

/// Returns where the next record starts if one ends at `at`: behind the character between them.
fn behind(bytes: &[u8], at: usize, mark: &[u8], at_end: bool) -> Result<usize, Wrong> {
    let rest = &bytes[at..];
    if rest.starts_with(mark) {
        Ok(at + mark.len())
    } else if rest.is_empty() && at_end {
        Ok(at)
    } else if mark.starts_with(rest) {
        Err(Wrong::End)
    } else {
        Err(Wrong::Value("a record is not followed by the character between records".to_owned()))
    }
}

/// Reads the head of a container behind its first four bytes.
fn parse_head(bytes: &[u8]) -> Result<(Container, AvroSchema, usize), Wrong> {
    let mut reader = ValueReader { schema: &NO_SCHEMA, bytes, at: 0 };
    let (mut schema, mut codec) = (None, Codec::Null);
    loop {
        let mut count = reader.long()?;
        if count == 0 {
            break;
        }
        if count < 0 {
            reader.long()?;
            count = count.saturating_neg();
        }
        for _ in 0..count {
            let (key, value) = (reader.sized()?, reader.sized()?);
            match key {
                b"avro.schema" => {
                    let text = String::from_utf8_lossy(value);
                    let read = AvroSchema::parse(&text);
                    schema =
                        Some(read.map_err(|why| Wrong::Value(format!("invalid schema: {why}")))?);
                }
                b"avro.codec" => codec = find_codec(value)?,
                _ => {}
            }
        }
    }
    let mut sync = [0; 16];
    sync.copy_from_slice(reader.take(16)?);
    let schema = schema.ok_or_else(|| Wrong::Value("the file has no schema".to_owned()))?;
    Ok((Container { codec, sync }, schema, reader.at))
}

fn find_codec(name: &[u8]) -> Result<Codec, Wrong> {
    Ok(match name {
        b"null" | b"" => Codec::Null,
        b"deflate" => Codec::Deflate,
        b"snappy" => Codec::Snappy,
        b"zstandard" => Codec::Zstandard,
        b"bzip2" => Codec::Bzip2,
        b"xz" => Codec::Xz,
        other => {
            let name = String::from_utf8_lossy(other);
            return Err(Wrong::Value(format!("Avro codec \"{name}\" is not supported")));
        }
    })
}

/// Returns the rows of the block at `at`, its data, and where the next one starts.
fn find_block<'a>(
    bytes: &'a [u8],
    at: usize,
    container: &Container,
) -> Result<(u64, &'a [u8], usize), Wrong> {
    let mut reader = ValueReader { schema: &NO_SCHEMA, bytes, at };
    let count = u64::try_from(reader.long()?);
    let count = count.map_err(|_| Wrong::Value("a block has less than no rows".to_owned()))?;
    let data = reader.sized()?;
    if reader.take(16)? != container.sync {
        return Err(Wrong::Value("a block does not end with the file's marker".to_owned()));
    }
    Ok((count, data, reader.at))
}

/// Returns the bytes of a block as they were before compression.
fn decompressed(codec: Codec, data: &[u8]) -> Result<Cow<'_, [u8]>, String> {
    let read = |reader: &mut dyn Read| -> Result<Cow<'static, [u8]>, String> {
        let mut out = Vec::new();
        let read = reader.take(LARGEST_BLOCK + 1).read_to_end(&mut out);
        match read {
            Ok(_) if out.len() as u64 > LARGEST_BLOCK => {
                Err(format!("a block has more than {LARGEST_BLOCK} bytes"))
            }
            Ok(_) => Ok(out.into()),
            Err(error) => Err(format!("a block cannot be decompressed: {error}")),
        }
    };
    match codec {
        Codec::Null => Ok(data.into()),
        Codec::Deflate => read(&mut flate2::read::DeflateDecoder::new(data)),
        Codec::Zstandard => match zstd::stream::read::Decoder::new(data) {
            Ok(mut decoder) => read(&mut decoder),
            Err(error) => Err(format!("a block cannot be decompressed: {error}")),
        },
        Codec::Bzip2 => read(&mut bzip2::read::BzDecoder::new(data)),
        Codec::Xz => read(&mut liblzma::read::XzDecoder::new(data)),
        Codec::Snappy => snappy(data).map(Into::into),
    }
}

/// Returns the content of a block by snappy, whose checksum stands behind it.
fn snappy(data: &[u8]) -> Result<Vec<u8>, String> {
    let damaged = |why: &str| format!("a block cannot be decompressed: {why}");
    let (data, sum) = data.split_last_chunk::<4>().ok_or_else(|| damaged("it is too short"))?;
    let length = snap::raw::decompress_len(data).map_err(|error| damaged(&error.to_string()))?;
    if length as u64 > LARGEST_BLOCK {
        return Err(format!("a block has more than {LARGEST_BLOCK} bytes"));
    }
    let out = snap::raw::Decoder::new().decompress_vec(data);
    let out = out.map_err(|error| damaged(&error.to_string()))?;
    let mut crc = flate2::Crc::new();
    crc.update(&out);
    if crc.sum() == u32::from_be_bytes(*sum) {
        Ok(out)
    } else {
        Err(damaged("its checksum differs"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SCHEMA: &str = r#"{"type":"record","name":"r","fields":[
        {"name":"id","type":"long"},
        {"name":"x","type":{"type":"map","values":"int"}},
        {"name":"s","type":["null","string"]},
        {"name":"l","type":{"type":"array","items":["null","string"]}}]}"#;

    fn format(layout: AvroLayout) -> AvroFormat {
        let field = |(name, form): (&str, JsonForm)| JsonField { name: name.to_owned(), form };
        let fields = [("id", JsonForm::Text), ("s", JsonForm::Text), ("l", JsonForm::Array)];
        let fields = fields.into_iter().map(field).collect();
        AvroFormat { fields, layout, strict: false, max_row_size: 1000 }
    }

    fn long(value: i64, out: &mut Vec<u8>) {
        let mut rest = (value << 1 ^ value >> 63).cast_unsigned();
        while rest >= 0x80 {
            out.push(rest.to_le_bytes()[0] | 0x80);
            rest >>= 7;
        }
        out.push(rest.to_le_bytes()[0]);
    }

    fn sized(bytes: &[u8], out: &mut Vec<u8>) {
        long(i64::try_from(bytes.len()).unwrap(), out);
        out.extend_from_slice(bytes);
    }

    /// Appends the row of a number: NULL instead of text if it is even.
    fn row(id: i64, out: &mut Vec<u8>) {
        long(id, out);
        long(1, out);
        sized(b"key", out);
        long(7, out);
        long(0, out);
        if id % 2 == 0 {
            long(0, out);
        } else {
            long(1, out);
            sized(b"a\"b", out);
        }
        // A block of two items that tells its size.
        let mut items = Vec::new();
        long(0, &mut items);
        long(1, &mut items);
        sized(b"x y", &mut items);
        long(-2, out);
        sized(&items, out);
        long(0, out);
    }

    /// Returns a container of three blocks of two rows.
    fn container(codec: &str) -> Vec<u8> {
        let mut out = b"Obj\x01".to_vec();
        long(2, &mut out);
        sized(b"avro.schema", &mut out);
        sized(SCHEMA.as_bytes(), &mut out);
        sized(b"avro.codec", &mut out);
        sized(codec.as_bytes(), &mut out);
        long(0, &mut out);
        out.extend_from_slice(&[9; 16]);
        for block in 0..3 {
            let mut data = Vec::new();
            row(block * 2, &mut data);
            row(block * 2 + 1, &mut data);
            long(2, &mut out);
            sized(&compressed(codec, &data), &mut out);
            out.extend_from_slice(&[9; 16]);
        }
        out
    }

    fn compressed(codec: &str, data: &[u8]) -> Vec<u8> {
        let mut out = Vec::new();
        match codec {
            "deflate" => {
                let level = flate2::Compression::fast();
                flate2::read::DeflateEncoder::new(data, level).read_to_end(&mut out).unwrap();
            }
            "zstandard" => out = zstd::encode_all(data, 1).unwrap(),
            "snappy" => {
                out = snap::raw::Encoder::new().compress_vec(data).unwrap();
                let mut crc = flate2::Crc::new();
                crc.update(data);
                out.extend_from_slice(&crc.sum().to_be_bytes());
            }
            _ => out.extend_from_slice(data),
        }
        out
    }

    type Rows = Vec<Vec<Option<String>>>;

    fn read_by(format: &AvroFormat, bytes: &[u8], step: usize) -> Result<Rows, RecordError> {
        let mut reader = AvroReader::new(format.clone());
        let mut rows = Vec::new();
        let (mut at, mut end) = (0, step.min(bytes.len()));
        loop {
            let (piece, at_end) = (&bytes[at..end], end == bytes.len());
            let mut records = Records::new();
            let stretch = Stretch { bytes: piece, start: 0, at_end };
            let next = reader.read(stretch, usize::MAX, &mut records)?;
            assert_eq!(records.starts.len(), records.count);
            for row in 0..records.count {
                let cell = |field| {
                    let text = records.field(piece, row, field).to_vec();
                    (!records.is_null(row, field)).then(|| String::from_utf8(text).unwrap())
                };
                rows.push((0..records.fields).map(cell).collect());
            }
            if at_end {
                return Ok(rows);
            }
            at += next;
            end = (end + step).min(bytes.len());
        }
    }

    fn expected(count: i64) -> Rows {
        let text = |id: i64| (id % 2 != 0).then(|| "a\"b".to_owned());
        let list = Some("{NULL,\"x y\"}".to_owned());
        (0..count).map(|id| vec![Some(id.to_string()), text(id), list.clone()]).collect()
    }

    #[test]
    fn reads_containers_of_every_codec() {
        for codec in ["null", "deflate", "zstandard", "snappy"] {
            for step in [usize::MAX, 1, 100] {
                let rows = read_by(&format(AvroLayout::Container), &container(codec), step);
                assert_eq!(rows.unwrap(), expected(6), "{codec} by {step}");
            }
        }
        let error = read_by(&format(AvroLayout::Container), &container("lzo"), 99).unwrap_err();
        assert_eq!(error.message(1), "Avro codec \"lzo\" is not supported");
    }

    #[test]
    fn a_cut_container_is_an_error_but_between_blocks() {
        let whole = container("null");
        let block = (whole.len() - container_head(&whole)) / 3;
        for length in 0..whole.len() {
            let read = read_by(&format(AvroLayout::Container), &whole[..length], usize::MAX);
            let behind = length.checked_sub(container_head(&whole));
            match behind.filter(|behind| behind % block == 0) {
                Some(behind) => assert_eq!(read.unwrap().len(), behind / block * 2),
                None => assert!(read.is_err(), "{length}"),
            }
        }
    }

    fn container_head(whole: &[u8]) -> usize {
        4 + parse_head(&whole[4..]).unwrap().2
    }

    #[test]
    fn a_damaged_container_is_no_panic() {
        for codec in ["null", "deflate", "snappy"] {
            let whole = container(codec);
            for at in 0..whole.len() {
                for bit in [0x01, 0x80, 0xff] {
                    let mut bytes = whole.clone();
                    bytes[at] ^= bit;
                    let mut records = Records::new();
                    let mut reader = AvroReader::new(format(AvroLayout::Container));
                    let stretch = Stretch { bytes: &bytes, start: 0, at_end: true };
                    let _ = reader.read(stretch, usize::MAX, &mut records);
                    assert_eq!(records.spans.len(), records.count * 3);
                }
            }
        }
    }

    #[test]
    fn reads_bare_records() {
        let schema = Arc::new(AvroSchema::parse(SCHEMA).unwrap());
        let binary = format(AvroLayout::Binary(Arc::clone(&schema), '\n'));
        let mut bytes = Vec::new();
        for id in 0..6 {
            row(id, &mut bytes);
            bytes.push(b'\n');
        }
        for step in [usize::MAX, 1, 7] {
            assert_eq!(read_by(&binary, &bytes, step).unwrap(), expected(6));
            assert!(read_by(&binary, &bytes[..bytes.len() - 3], step).is_err());
        }
        let json = format(AvroLayout::Json(schema, ';'));
        let text = "{\"id\":0,\"x\":{},\"s\":null,\"l\":[null,{\"string\":\"x y\"}]};\n;\
             {\"l\":[null,{\"string\":\"x y\"}],\"id\":1,\"x\":{},\"s\":{\"string\":\"a\\\"b\"}}";
        for step in [usize::MAX, 1, 7] {
            assert_eq!(read_by(&json, text.as_bytes(), step).unwrap(), expected(2));
        }
        let wrong = "{\"id\":0,\"x\":{},\"s\":\"bare\",\"l\":[]}";
        let error = read_by(&json, wrong.as_bytes(), 99).unwrap_err();
        assert_eq!(error.message(1), "\"bare\" is no value of its type");
        let short = AvroFormat { max_row_size: 5, ..json };
        assert_eq!(read_by(&short, wrong.as_bytes(), 9).unwrap_err().message(1), "line too long");
    }

    #[test]
    fn strict_files_have_the_table_s_fields() {
        let strict = AvroFormat { strict: true, ..format(AvroLayout::Container) };
        let error = read_by(&strict, &container("null"), 1000).unwrap_err();
        assert_eq!(error.message(1), "the schema has the field \"x\", which the table lacks");
    }
}
