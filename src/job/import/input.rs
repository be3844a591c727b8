//! The data files of an import: opened, their heads passed over, their bytes served piece by piece.

use std::fmt::Write as _;
use std::io::Read;
use std::sync::Arc;

use super::dump_file::{Section, SectionStream};
use super::fault::Fault;
use super::typed::map_columns;
use crate::catalog::{ColumnDescriptor, ColumnId, TableDescriptor};
use crate::error::{DataPlace, Error, Result, SqlState};
use crate::job::JobContext;
use crate::plan::{self, Decompress, FormatKind, Header, Import, ImportInto, ImportTarget};
use crate::record::{
    AvroFormat, AvroLayout, AvroSchema, DelimitedFormat, Dialect, JsonField, JsonForm, JsonFormat,
    PgCopyFormat, TextFormat, count_line_ends, ends_lines_with_carriage_returns, strip_bom,
};
use crate::source::{
    Compression, DecodedText, DecompressLimits, Identity, Location, Malformed, SourceFile,
    TextEncoding, announced_encoding, decompress, io_error, redact,
};
use crate::store::ParquetFile;
use crate::types::SqlType;

/// How many bytes are read at once.
pub(crate) const PIECE_BYTES: usize = 1 << 20;

/// Where the values of a table's columns come from in a file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum ColumnSource {
    /// The field at this position.
    Field(usize),
    /// The column's DEFAULT.
    Default,
    /// The column's expression.
    Computed,
}

/// A data file.
pub(crate) struct InputFile {
    /// Where it is, secrets included, if a statement or its wildcards named it.
    pub(super) location: Option<Location>,
    /// Its position in the import, from 0.
    pub(crate) index: u32,
    pub(super) source: Arc<SourceFile>,
    pub(super) compression: Compression,
    /// The offset of the first data record, in decompressed bytes.
    pub(crate) data_start: u64,
    /// Where each column's values come from.
    pub(crate) columns: Vec<ColumnSource>,
    /// How many fields a record has.
    pub(crate) fields: usize,
    /// What is in it.
    pub(crate) content: Content,
    /// The part of the file that holds the records, if it is not the whole file.
    pub(crate) section: Option<Section>,
    /// How its text is encoded, unless it is UTF-8. Offsets count in the decoded text.
    pub(super) encoding: Option<TextEncoding>,
}

/// What is in a data file.
pub(crate) enum Content {
    /// Records of text.
    Text(TextFormat),
    /// Row groups, with the columns to read. Parts of the file count row groups, not bytes.
    Parquet(Box<ParquetFile>, Vec<usize>),
}

impl Content {
    /// Returns whether records have lines and can be shown.
    pub(crate) fn is_text(&self) -> bool {
        matches!(self, Self::Text(format) if format.is_text())
    }

    /// Returns what ends records, as bytes; nothing where records are no lines.
    pub(crate) fn record_end(&self) -> Vec<u8> {
        match self {
            Self::Text(format) => format.record_end().to_string().into_bytes(),
            Self::Parquet(..) => Vec::new(),
        }
    }

    /// Returns the byte that ends lines.
    fn line_end(&self) -> u8 {
        match self {
            Self::Text(format) => format.line_end(),
            Self::Parquet(..) => b'\n',
        }
    }
}

impl InputFile {
    /// Returns the file's name with secrets redacted.
    pub(crate) fn name(&self) -> &str {
        self.source.name()
    }

    /// Returns what the file was when it was opened.
    pub(crate) fn identity(&self) -> &Identity {
        self.source.identity()
    }

    /// Returns whether any part of the file can be read without what comes before.
    pub(crate) fn is_seekable(&self) -> bool {
        self.compression == Compression::None
            && self.encoding.is_none()
            && self.source.supports_ranges()
            && matches!(&self.content, Content::Text(format) if format.can_be_cut())
    }

    /// Returns where records are known to start, if that is known and they can be read from there.
    pub(crate) fn cuts(&self) -> &[u64] {
        let ranges = self.compression == Compression::None && self.source.supports_ranges();
        self.section.as_ref().filter(|_| ranges).map_or(&[], |section| &section.cuts)
    }

    /// Returns whether the file is read from its start to its end in one part, of which each record could
    /// be the first: it can be left in the middle.
    pub(crate) fn is_one_long_part(&self) -> bool {
        let cut = matches!(&self.content, Content::Text(format) if format.can_be_cut());
        // A section of a dump leaves its stream to the next one at its end.
        cut && !self.is_seekable() && self.section.is_none()
    }

    /// Returns the size in bytes, as stored, if it is known.
    pub(crate) fn known_size(&self) -> Option<u64> {
        match &self.section {
            Some(section) => Some(section.size()),
            None => self.source.known_size(),
        }
    }

    /// Returns whether what comes out differs from what is stored.
    pub(crate) fn is_decompressed(&self) -> bool {
        self.section.is_none() && (self.compression != Compression::None || self.encoding.is_some())
    }

    /// Returns where the last byte ends, as stored, that has been read.
    pub(crate) fn reached(&self) -> u64 {
        self.source.reached()
    }

    /// Returns the file's size in bytes, as stored.
    pub(crate) fn size(&self) -> u64 {
        self.section.as_ref().map_or_else(|| self.source.size(), Section::size)
    }

    /// Returns the decompressed bytes from `offset` on.
    pub(crate) fn bytes_from(&self, offset: u64) -> Result<ByteStream> {
        if let Some(section) = &self.section {
            return section.bytes_from(offset, || open_stream(&self.source, self.compression));
        }
        let mut stream = self.open_stream()?;
        stream.pass_over(offset)?;
        Ok(stream)
    }

    fn open_stream(&self) -> Result<ByteStream> {
        let plain = open_stream(&self.source, self.compression)?;
        let Some(encoding) = self.encoding else { return Ok(plain) };
        let input: Box<dyn Read + Send> = match plain {
            ByteStream::Plain(file, _) => Box::new(file.reader()),
            ByteStream::Decompressed(reader, _) => reader,
            other @ (ByteStream::Decoded(..) | ByteStream::Section(_)) => return Ok(other),
        };
        let text = Box::new(DecodedText::new(input, encoding));
        Ok(ByteStream::Decoded(text, Arc::clone(&self.source)))
    }

    /// Returns the error of bytes that mean nothing in the encoding of the file.
    pub(crate) fn encoding_error(&self, malformed: &Malformed) -> Error {
        let name = self.encoding.map_or("UTF-8", TextEncoding::name);
        let mut bytes = String::new();
        for byte in &malformed.bytes {
            // Writing to a String does not fail.
            let _ = write!(bytes, "{byte:02x}");
        }
        Error::new(
            SqlState::CHARACTER_NOT_IN_REPERTOIRE,
            format!(
                "invalid byte sequence for encoding \"{name}\": 0x{bytes} at byte {} of the file",
                malformed.source
            ),
        )
    }

    /// Fails if the file was changed since it was opened.
    pub(crate) fn require_unchanged(&self) -> Result {
        self.source.unchanged()
    }

    /// Returns the physical line, from 1, on which the byte at `offset` stands; 0 in a file that is no
    /// text.
    pub(crate) fn line_of(&self, offset: u64) -> Result<u64> {
        if !self.content.is_text() {
            return Ok(0);
        }
        self.lines()?.line_of(offset)
    }

    /// Returns a counter of lines from the start of the file, or of its section.
    pub(crate) fn lines(&self) -> Result<LineCounter> {
        let (offset, line) =
            self.section.as_ref().map_or((0, 1), |section| (section.start, section.line));
        Ok(LineCounter {
            stream: self.bytes_from(offset)?,
            line_end: self.content.line_end(),
            offset,
            line,
            buffer: Vec::with_capacity(PIECE_BYTES),
        })
    }
}

/// Counts the lines of a file up to offsets that grow.
pub(crate) struct LineCounter {
    stream: ByteStream,
    line_end: u8,
    offset: u64,
    line: u64,
    buffer: Vec<u8>,
}

impl LineCounter {
    /// Returns the physical line, from 1, on which the byte at `offset` stands; `offset` is not below
    /// that of the call before.
    pub(crate) fn line_of(&mut self, offset: u64) -> Result<u64> {
        while self.offset < offset {
            self.buffer.clear();
            let left = usize::try_from(offset - self.offset).unwrap_or(usize::MAX);
            let want = left.min(PIECE_BYTES);
            let at_end = self.stream.fill(&mut self.buffer, want)?;
            let read = &self.buffer[..self.buffer.len().min(want)];
            self.line += count_line_ends(read, self.line_end);
            self.offset += read.len() as u64;
            if at_end && read.len() < want {
                break;
            }
        }
        Ok(self.line)
    }
}

/// The bytes of a file in order.
pub(crate) enum ByteStream {
    /// A file as it is, from an offset on.
    Plain(Arc<SourceFile>, u64),
    /// A decompressor's output.
    Decompressed(Box<dyn Read + Send>, Arc<SourceFile>),
    /// A section of a file.
    Section(SectionStream),
    /// Text in another encoding, as UTF-8.
    Decoded(Box<DecodedText>, Arc<SourceFile>),
}

impl ByteStream {
    /// Appends `want` bytes to `buffer`, fewer only at the end; returns whether the end is reached.
    pub(crate) fn fill(&mut self, buffer: &mut Vec<u8>, want: usize) -> Result<bool> {
        self.fill_behind(buffer, buffer.len(), want)
    }

    /// Replaces all but the first `start` bytes of `buffer` by `want` bytes, fewer only at the end;
    /// returns whether the end is reached. Bytes that `buffer` has already are not cleared first.
    pub(crate) fn fill_behind(
        &mut self,
        buffer: &mut Vec<u8>,
        start: usize,
        want: usize,
    ) -> Result<bool> {
        match self {
            Self::Plain(file, offset) => {
                buffer.resize(buffer.len().max(start + want), 0);
                let mut filled = 0;
                while filled < want {
                    let rest = &mut buffer[start + filled..start + want];
                    let count = file.read_at(rest, *offset)?;
                    if count == 0 {
                        break;
                    }
                    filled += count;
                    *offset += count as u64;
                }
                buffer.truncate(start + filled);
                Ok(filled < want || file.known_size().is_some_and(|size| *offset >= size))
            }
            Self::Decompressed(reader, file) => read_behind(reader, file, buffer, start, want),
            Self::Decoded(text, file) => read_behind(text, file, buffer, start, want),
            Self::Section(section) => section.fill_behind(buffer, start, want),
        }
    }

    /// Returns what is malformed in the text read so far, each once.
    pub(crate) fn take_malformed(&mut self) -> Vec<Malformed> {
        match self {
            Self::Decoded(text, _) => text.take_malformed(),
            Self::Plain(..) | Self::Decompressed(..) | Self::Section(_) => Vec::new(),
        }
    }

    pub(super) fn pass_over(&mut self, count: u64) -> Result {
        match self {
            Self::Plain(_, offset) => *offset += count,
            Self::Decompressed(..) | Self::Section(_) | Self::Decoded(..) => {
                let mut left = count;
                let mut buffer = Vec::new();
                while left > 0 {
                    buffer.clear();
                    let want = usize::try_from(left).unwrap_or(usize::MAX).min(PIECE_BYTES);
                    if self.fill(&mut buffer, want)? {
                        break;
                    }
                    left -= buffer.len() as u64;
                }
            }
        }
        Ok(())
    }
}

/// Replaces all but the first `start` bytes of `buffer` by what `reader` gives next.
fn read_behind(
    reader: &mut dyn Read,
    file: &SourceFile,
    buffer: &mut Vec<u8>,
    start: usize,
    want: usize,
) -> Result<bool> {
    buffer.truncate(start);
    let filled = reader
        .take(want as u64)
        .read_to_end(buffer)
        .map_err(|error| io_error("read", file.name(), &error))?;
    Ok(filled < want)
}

/// Returns the decompressed bytes of a file from its start.
pub(super) fn open_stream(
    source: &Arc<SourceFile>,
    compression: Compression,
) -> Result<ByteStream> {
    Ok(match compression {
        Compression::None => ByteStream::Plain(Arc::clone(source), 0),
        compression => ByteStream::Decompressed(
            decompress(Arc::clone(source), compression, DecompressLimits::default())?,
            Arc::clone(source),
        ),
    })
}

/// Returns how records are written in files whose fields are for these columns; nothing if they are no
/// text.
fn text_format(opening: &Opening<'_>, columns: &[ColumnSource]) -> Option<TextFormat> {
    let import = opening.import;
    let json = |json: &plan::NamedFormat, lines| {
        TextFormat::Json(JsonFormat {
            fields: json_fields(import.table(), columns),
            lines,
            ignore_unknown: json.ignore_unknown_fields,
        })
    };
    Some(match &import.format.kind {
        FormatKind::Csv(csv) => TextFormat::Csv(Dialect {
            delimiter: csv.delimiter,
            comment: csv.comment,
            strict_quotes: csv.strict_quotes,
            quote: csv.quote,
            escape: csv.escape,
            lenient: csv.lenient,
            carriage_returns: false,
        }),
        FormatKind::Delimited(format) => TextFormat::Delimited(DelimitedFormat {
            field_end: format.fields_terminated_by,
            row_end: format.rows_terminated_by,
            enclosure: format.fields_enclosed_by,
            escape: format.fields_escaped_by,
            null_word: format.fields_escaped_by.is_none() && import.format.nullif.is_none(),
            binary: field_columns(import.table(), columns)
                .map(|column| column.sql_type == SqlType::Bytes)
                .collect(),
        }),
        FormatKind::PgCopy(format) => TextFormat::PgCopy(PgCopyFormat {
            delimiter: format.delimiter,
            null: import.format.nullif.clone().unwrap_or_else(|| "\\N".to_owned()),
            max_row_size: format.max_row_size,
        }),
        FormatKind::Json(format) => json(format, false),
        FormatKind::NdJson(format) => json(format, true),
        FormatKind::Parquet(_) => return None,
        FormatKind::Avro(avro) => TextFormat::Avro(AvroFormat {
            fields: json_fields(import.table(), columns),
            layout: match &opening.schema {
                None => AvroLayout::Container,
                Some(schema) if avro.data_as_binary_records => {
                    AvroLayout::Binary(Arc::clone(schema), avro.records_terminated_by)
                }
                Some(schema) => AvroLayout::Json(Arc::clone(schema), avro.records_terminated_by),
            },
            strict: avro.strict_validation,
            max_row_size: avro.max_row_size,
        }),
    })
}

/// The longest text of a schema, in bytes.
const LONGEST_SCHEMA: u64 = 16 << 20;

/// Reads the schema of bare records of Avro, if the import is of such.
fn read_schema(context: &JobContext, import: &Import) -> Result<Option<Arc<AvroSchema>>> {
    let FormatKind::Avro(avro) = &import.format.kind else { return Ok(None) };
    let text = match (&avro.schema, &avro.schema_uri) {
        _ if !avro.is_bare() => return Ok(None),
        (Some(schema), _) => schema.clone(),
        (None, Some(url)) => context.access.read_text(&Location::parse(url)?, LONGEST_SCHEMA)?,
        (None, None) => return Ok(None),
    };
    let schema = AvroSchema::parse(&text).map_err(|why| {
        let error = Error::new(SqlState::INVALID_PARAMETER_VALUE, format!("invalid schema: {why}"));
        match &avro.schema_uri {
            Some(url) => error.detail(format!("The file of schema_uri is \"{}\".", redact(url))),
            None => error,
        }
    })?;
    Ok(Some(Arc::new(schema)))
}

/// Returns the members of objects that columns are read from.
fn json_fields(table: &TableDescriptor, columns: &[ColumnSource]) -> Arc<[JsonField]> {
    let form = |sql_type: &SqlType| match sql_type {
        SqlType::Jsonb => JsonForm::Document,
        SqlType::Array(element) if **element == SqlType::Jsonb => JsonForm::Documents,
        SqlType::Array(_) => JsonForm::Array,
        _ => JsonForm::Text,
    };
    field_columns(table, columns)
        .map(|column| JsonField { name: column.name.clone(), form: form(&column.sql_type) })
        .collect()
}

/// Returns the columns that have a field, in the order of fields.
fn field_columns<'a>(
    table: &'a TableDescriptor,
    columns: &[ColumnSource],
) -> impl Iterator<Item = &'a ColumnDescriptor> {
    let mut fields: Vec<(usize, &ColumnDescriptor)> = table
        .columns
        .iter()
        .zip(columns)
        .filter_map(|(column, source)| match source {
            ColumnSource::Field(field) => Some((*field, column)),
            _ => None,
        })
        .collect();
    fields.sort_by_key(|(field, _)| *field);
    fields.into_iter().map(|(_, column)| column)
}

/// Opens every file that `import` names, globs expanded, and passes over their heads.
pub(crate) fn open_files(context: &JobContext, import: &Import) -> Result<Vec<InputFile>> {
    let mut locations = Vec::new();
    for url in &import.files {
        let location = Location::parse(url)?;
        if !import.format.match_globs {
            locations.push(location);
            continue;
        }
        match context.access.expand(&location) {
            Ok(matched) => locations.extend(matched),
            // What is wrong with an earlier file is told first.
            Err(error) => {
                return Err(context.access.open_all(&locations).err().unwrap_or(error));
            }
        }
    }
    let sources = context.access.open_all(&locations)?;
    let compressions =
        locations.iter().map(|location| compression(import.format.decompress, location));
    let schema = read_schema(context, import)?;
    let opening = Opening { import, most_memory: context.memory / 4, schema };
    sources
        .into_iter()
        .map(Arc::new)
        .zip(compressions)
        .zip(&locations)
        .enumerate()
        .map(|(index, ((source, compression), location))| {
            context.cancellation.check()?;
            let index = u32::try_from(index).unwrap_or(u32::MAX);
            let file = open_file(&opening, index, source, compression)?;
            Ok(InputFile { location: Some(location.clone()), ..file })
        })
        .collect()
}

/// Returns how a file is compressed.
pub(super) fn compression(decompress: Decompress, location: &Location) -> Compression {
    match decompress {
        Decompress::Auto => Compression::of_location(location),
        Decompress::None => Compression::None,
        Decompress::Gzip => Compression::Gzip,
        Decompress::Bzip => Compression::Bzip2,
        Decompress::Zstd => Compression::Zstd,
        Decompress::Xz => Compression::Xz,
    }
}

/// What opening a file needs to know.
struct Opening<'a> {
    import: &'a Import,
    /// The most bytes that a file may take in memory.
    most_memory: u64,
    /// The schema of bare records of Avro.
    schema: Option<Arc<AvroSchema>>,
}

/// Refuses a file that its server compresses without being asked.
pub(super) fn refuse_encoded(source: &SourceFile, compression: Compression) -> Result {
    if let Some(encoding) = source.content_encoding()
        && compression == Compression::None
    {
        return Err(Error::new(
            SqlState::BAD_COPY_FILE_FORMAT,
            format!("the server sends \"{}\" compressed", source.name()),
        )
        .detail(format!("It calls the encoding {encoding:?}."))
        .hint("Name the compression in \"decompress\"."));
    }
    Ok(())
}

fn open_file(
    opening: &Opening<'_>,
    index: u32,
    source: Arc<SourceFile>,
    compression: Compression,
) -> Result<InputFile> {
    let import = opening.import;
    refuse_encoded(&source, compression)?;
    let columns = columns_by_position(import.table(), listed(import));
    let fields = columns.iter().filter(|source| matches!(source, ColumnSource::Field(_))).count();
    let Some(text) = text_format(opening, &columns) else {
        return open_parquet(opening, index, source, compression);
    };
    let content = Content::Text(text);
    let encoding = import.format.encoding().filter(|encoding| !encoding.is_utf8());
    let mut file = InputFile {
        location: None,
        index,
        source,
        compression,
        data_start: 0,
        columns,
        fields,
        content,
        section: None,
        encoding,
    };
    let format = &import.format;
    let records = format.skip + u64::from(format.header() != Header::None);
    let (start, header) = pass_over_head(&mut file, format, records)?;
    file.data_start = start;
    if format.header() == Header::Match {
        (file.columns, file.fields) =
            columns_by_name(import.table(), listed(import), (header, file.name()))?;
        if let ImportTarget::Into(ImportInto { table, .. }) = &import.target {
            let given = |at: usize| matches!(file.columns[at], ColumnSource::Field(_));
            plan::require_values(table, |column| table.position(column.id).is_some_and(given))
                .map_err(|error| error.in_data(header_place(file.name())))?;
        }
    }
    Ok(file)
}

/// Opens a Parquet file. One whose ranges cannot be read, because it is compressed as a whole or its
/// server gives it from the start only, is read into memory.
fn open_parquet(
    opening: &Opening<'_>,
    index: u32,
    source: Arc<SourceFile>,
    compression: Compression,
) -> Result<InputFile> {
    let import = opening.import;
    let parquet = if compression == Compression::None && source.supports_ranges() {
        ParquetFile::open(Arc::clone(&source))?
    } else {
        let mut bytes = Vec::new();
        let mut stream = open_stream(&source, compression)?;
        while !stream.fill(&mut bytes, PIECE_BYTES)? {
            if bytes.len() as u64 > opening.most_memory {
                return Err(Error::new(
                    SqlState::OUT_OF_MEMORY,
                    format!("file \"{}\" does not fit in memory", source.name()),
                )
                .detail("A Parquet file that is compressed as a whole is read into memory.")
                .hint("Decompress the file, or give a larger --memory."));
            }
        }
        ParquetFile::in_memory(source.name(), bytes)?
    };
    let FormatKind::Parquet(format) = &import.format.kind else {
        return Err(Error::internal("a format that is neither text nor Parquet"));
    };
    let ignore = format.ignore_unknown_fields;
    let target = (import.table(), listed(import));
    let map = map_columns(target, parquet.schema(), ignore, source.name())?;
    if let ImportTarget::Into(ImportInto { table, .. }) = &import.target {
        let given = |at: usize| matches!(map.columns[at], ColumnSource::Field(_));
        let place = DataPlace { file: source.name().to_owned(), ..DataPlace::default() };
        plan::require_values(table, |column| table.position(column.id).is_some_and(given))
            .map_err(|error| error.in_data(place))?;
    }
    let fields = map.read.len();
    let content = Content::Parquet(Box::new(parquet), map.read);
    Ok(InputFile {
        location: None,
        index,
        source,
        compression,
        data_start: 0,
        columns: map.columns,
        fields,
        content,
        section: None,
        encoding: None,
    })
}

/// Returns the columns that the statement lists.
fn listed(import: &Import) -> Option<&[ColumnId]> {
    match &import.target {
        ImportTarget::New(_) => None,
        ImportTarget::Into(into) => into.columns.as_deref(),
    }
}

/// Returns where columns come from: fields in the order of the list, or of all columns that are not
/// computed.
fn columns_by_position(table: &TableDescriptor, listed: Option<&[ColumnId]>) -> Vec<ColumnSource> {
    let mut next = 0;
    table
        .columns
        .iter()
        .map(|column| {
            if column.computed.is_some() {
                return ColumnSource::Computed;
            }
            if let Some(listed) = listed {
                let field = listed.iter().position(|id| *id == column.id);
                return field.map_or(ColumnSource::Default, ColumnSource::Field);
            }
            next += 1;
            ColumnSource::Field(next - 1)
        })
        .collect()
}

fn header_place(file: &str) -> DataPlace {
    DataPlace { file: file.to_owned(), line: 1, ..DataPlace::default() }
}

/// Returns where columns come from in a file with a header, its first record: of the listed columns,
/// or of all, those that it names.
fn columns_by_name(
    table: &TableDescriptor,
    listed: Option<&[ColumnId]>,
    (header, file): (Option<Vec<Vec<u8>>>, &str),
) -> Result<(Vec<ColumnSource>, usize)> {
    let place = || header_place(file);
    let mut columns: Vec<ColumnSource> =
        table
            .columns
            .iter()
            .map(|column| {
                if column.computed.is_some() {
                    ColumnSource::Computed
                } else {
                    ColumnSource::Default
                }
            })
            .collect();
    let Some(header) = header else {
        return Err(Error::new(SqlState::BAD_COPY_FILE_FORMAT, "file has no header record")
            .in_data(place())
            .hint("With header = 'match' the first record of each file names the columns."));
    };
    for (field, name) in header.iter().enumerate() {
        let name = String::from_utf8_lossy(name);
        let position = table.columns.iter().position(|column| column.name == name).or_else(|| {
            table.columns.iter().position(|column| column.name.eq_ignore_ascii_case(&name))
        });
        let left_out =
            |at: usize| listed.is_some_and(|listed| !listed.contains(&table.columns[at].id));
        let problem = match position.map(|position| &columns[position]) {
            Some(_) if position.is_some_and(left_out) => Some((
                SqlState::UNDEFINED_COLUMN,
                format!("header names the column \"{name}\", which the statement does not list"),
            )),
            Some(ColumnSource::Default) => None,
            Some(ColumnSource::Computed) => Some((
                SqlState::INVALID_COLUMN_REFERENCE,
                format!("header names the computed column \"{name}\""),
            )),
            Some(ColumnSource::Field(_)) => Some((
                SqlState::DUPLICATE_COLUMN,
                format!("header names the column \"{name}\" twice"),
            )),
            None => Some((
                SqlState::UNDEFINED_COLUMN,
                format!("header names the column \"{name}\", which the table lacks"),
            )),
        };
        if let Some((code, message)) = problem {
            return Err(Error::new(code, message).in_data(place()));
        }
        if let Some(position) = position {
            columns[position] = ColumnSource::Field(field);
        }
    }
    let fields = header.len();
    Ok((columns, fields))
}

/// Fails if a file says by its first bytes that it is not UTF-8.
fn require_utf8(file: &InputFile, head: &[u8]) -> Result {
    let Some(label) = announced_encoding(head) else { return Ok(()) };
    Err(Error::new(
        SqlState::CHARACTER_NOT_IN_REPERTOIRE,
        format!("file \"{}\" starts with the byte order mark of {label}", file.name()),
    )
    .hint(format!("Use WITH encoding = '{label}'.")))
}

/// Returns the offset behind the first `records` records, and the last one passed over.
fn pass_over_head(
    file: &mut InputFile,
    format: &plan::DataFormat,
    records: u64,
) -> Result<(u64, Option<Vec<Vec<u8>>>)> {
    if !matches!(file.content, Content::Text(_)) {
        return Ok((0, None));
    }
    let mut stream = file.open_stream()?;
    let mut bytes = Vec::new();
    let short = records == 0 && !format.is_lenient();
    let mut at_end = stream.fill(&mut bytes, if short { 64 } else { 64 << 10 })?;
    if let Content::Text(TextFormat::Csv(dialect)) = &mut file.content {
        dialect.carriage_returns = dialect.lenient && ends_lines_with_carriage_returns(&bytes);
        if format.encoding().is_none() {
            require_utf8(file, &bytes)?;
        }
    }
    let file = &*file;
    let Content::Text(text) = &file.content else { return Ok((0, None)) };
    let mut at = if text.is_text() { strip_bom(&bytes) } else { 0 };
    let mut base = 0;
    let mut last = None;
    let mut reader = text.reader(file.fields);
    let mut left = records;
    while left > 0 {
        let read =
            reader.read_loose(&bytes, at, at_end).map_err(|error| {
                match Fault::of_record(error, base, &bytes).with_place(file, 0) {
                    Ok(error) | Err(error) => error,
                }
            })?;
        match read {
            Some((fields, next)) => {
                last = Some(fields);
                at = next;
                left -= 1;
            }
            None if at_end => break,
            None => {
                bytes.drain(..at);
                base += at as u64;
                at = 0;
                let want = bytes.len().max(PIECE_BYTES);
                at_end = stream.fill(&mut bytes, want)?;
            }
        }
    }
    let header = if left == 0 { last } else { None };
    Ok((base + at as u64, header))
}
