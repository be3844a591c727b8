//! Batches of rows made ready for files: text of many rows at once, or columns that Parquet can hold.

use std::collections::HashSet;
use std::sync::Arc;

use arrow::array::{Array, ArrayRef, AsArray, ListArray, RecordBatch, StringArray};
use arrow::datatypes::{DataType, Field, Schema, SchemaRef};

use super::value_bytes;
use crate::error::{Error, Result, SqlState};
use crate::plan::{ExportFormat, ForceQuote};
use crate::query::sql_type_of_field;
use crate::record::{RowStyle, RowWriter};
use crate::types::{self, ColumnTexts, SqlType, print_json, print_json_text, print_value};

/// Makes batches of one schema ready for files of one format.
pub struct Formatter {
    schema: SchemaRef,
    kind: Kind,
    header: Vec<u8>,
}

enum Kind {
    /// Rows of fields.
    Rows {
        writer: RowWriter,
        /// Which columns are quoted whatever they hold.
        forced: Vec<bool>,
        /// Whether a row that is NULL would be an empty line, which means nothing.
        blank: bool,
    },
    /// Objects.
    Json {
        /// The keys, with quotes and a colon.
        keys: Vec<String>,
        /// Which columns hold JSON documents.
        documents: Vec<bool>,
        framing: Framing,
    },
    /// Columns.
    Parquet,
}

/// What stands between and around the rows of a file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Framing {
    /// Each row is a line.
    Lines,
    /// `[`, rows with commas between them, `]`: each row starts with the comma.
    Array,
}

/// Rows on their way to a file.
pub(super) enum Piece {
    /// Text, with the end of each row in it.
    Text { bytes: Vec<u8>, ends: Vec<usize> },
    /// Columns, with about how many bytes they have.
    Batch { batch: RecordBatch, bytes: u64 },
}

impl Piece {
    pub(super) fn rows(&self) -> usize {
        match self {
            Self::Text { ends, .. } => ends.len(),
            Self::Batch { batch, .. } => batch.num_rows(),
        }
    }

    /// Returns the size before compression.
    pub(super) fn bytes(&self) -> u64 {
        match self {
            Self::Text { bytes, .. } => bytes.len() as u64,
            Self::Batch { bytes, .. } => *bytes,
        }
    }

    /// Returns how many rows fit into a file that takes `most` more, and ends with the row that reaches
    /// `room` bytes; and whether the file is full then. At least one row fits.
    pub(super) fn fitting(&self, most: u64, room: u64) -> (usize, bool) {
        let rows = self.rows();
        let by_size = match self {
            Self::Text { ends, .. } => {
                ends.partition_point(|end| (*end as u64) < room).saturating_add(1)
            }
            Self::Batch { bytes, .. } => {
                let each = (*bytes / rows.max(1) as u64).max(1);
                usize::try_from(room.div_ceil(each)).unwrap_or(usize::MAX).max(1)
            }
        };
        let fitting = by_size.min(usize::try_from(most).unwrap_or(usize::MAX)).max(1);
        (fitting.min(rows), fitting <= rows)
    }

    /// Returns the rows from `count` on, which are taken off.
    pub(super) fn split_off(&mut self, count: usize) -> Self {
        match self {
            Self::Text { bytes, ends } => {
                let at = if count == 0 { 0 } else { ends[count - 1] };
                let mut rest = ends.split_off(count);
                for end in &mut rest {
                    *end -= at;
                }
                Self::Text { bytes: bytes.split_off(at), ends: rest }
            }
            Self::Batch { batch, bytes } => {
                let all = batch.num_rows().max(1);
                let left = *bytes * (all - count) as u64 / all as u64;
                let rest = batch.slice(count, batch.num_rows() - count);
                *batch = batch.slice(0, count);
                *bytes -= left;
                Self::Batch { batch: rest, bytes: left }
            }
        }
    }
}

impl Formatter {
    /// Returns the formatter for rows of `schema`.
    pub fn new(format: &ExportFormat, schema: &SchemaRef) -> Result<Self> {
        let fields = schema.fields();
        if fields.is_empty() {
            return Err(Error::new(
                SqlState::FEATURE_NOT_SUPPORTED,
                "rows without columns cannot be written to a file",
            ));
        }
        let mut lines = Vec::new();
        let mut written = Arc::clone(schema);
        let kind = match format {
            ExportFormat::Rows { layout, header, force_quote } => {
                let writer = RowWriter::new(layout);
                if *header {
                    for (at, field) in fields.iter().enumerate() {
                        writer.push_field(field.name(), at == 0, false, &mut lines);
                    }
                    RowWriter::end_row(&mut lines);
                }
                let quoted = matches!(layout.style, RowStyle::Quoted { .. });
                let blank = quoted && fields.len() == 1 && layout.null.as_deref() == Some("");
                Kind::Rows { writer, forced: forced(force_quote, schema)?, blank }
            }
            ExportFormat::Json | ExportFormat::NdJson => {
                require_distinct(schema)?;
                let key = |field: &Arc<Field>| {
                    let mut key = String::new();
                    print_json_text(field.name(), &mut key);
                    key + ":"
                };
                let array = *format == ExportFormat::Json;
                Kind::Json {
                    keys: fields.iter().map(key).collect(),
                    documents: fields.iter().map(|field| holds_documents(field)).collect(),
                    framing: if array { Framing::Array } else { Framing::Lines },
                }
            }
            ExportFormat::Parquet => {
                require_distinct(schema)?;
                let plain = |field: &Arc<Field>| {
                    Field::new(field.name(), stored_type(field.data_type()), true)
                };
                written = Arc::new(Schema::new(fields.iter().map(plain).collect::<Vec<_>>()));
                Kind::Parquet
            }
        };
        Ok(Self { schema: written, kind, header: lines })
    }

    /// Returns what each file starts with.
    pub fn header(&self) -> &[u8] {
        &self.header
    }

    /// Returns the schema of batches on their way to a file.
    pub(super) fn schema(&self) -> &SchemaRef {
        &self.schema
    }

    pub(super) fn framing(&self) -> Framing {
        match &self.kind {
            Kind::Json { framing, .. } => *framing,
            _ => Framing::Lines,
        }
    }

    /// Returns the text of a batch's rows, for formats of text.
    pub fn text(&self, batch: &RecordBatch) -> Result<Vec<u8>> {
        match self.format(batch)? {
            Piece::Text { bytes, .. } => Ok(bytes),
            Piece::Batch { .. } => Err(Error::internal("a format without text")),
        }
    }

    /// Makes the rows of a batch ready.
    pub(super) fn format(&self, batch: &RecordBatch) -> Result<Piece> {
        match &self.kind {
            Kind::Rows { writer, forced, blank } => rows_text(batch, writer, forced, *blank),
            Kind::Json { keys, documents, framing } => {
                Ok(objects_text(batch, keys, documents, *framing))
            }
            Kind::Parquet => {
                let bytes = value_bytes(batch) as u64;
                let columns = batch.columns().iter().map(stored).collect::<Result<Vec<_>>>()?;
                let batch = RecordBatch::try_new(Arc::clone(&self.schema), columns)
                    .map_err(Error::internal)?;
                Ok(Piece::Batch { batch, bytes })
            }
        }
    }
}

fn rows_text(
    batch: &RecordBatch,
    writer: &RowWriter,
    forced: &[bool],
    blank: bool,
) -> Result<Piece> {
    let texts: Vec<ColumnTexts<'_>> =
        batch.columns().iter().map(|column| types::column_texts(column)).collect();
    let nulls: Vec<_> = batch.columns().iter().map(Array::logical_nulls).collect();
    let mut bytes = Vec::with_capacity(value_bytes(batch) * 2);
    let mut ends = Vec::with_capacity(batch.num_rows());
    for row in 0..batch.num_rows() {
        for (at, text) in texts.iter().enumerate() {
            if nulls[at].as_ref().is_none_or(|nulls| nulls.is_valid(row)) {
                writer.push_field(text.get(row), at == 0, forced[at], &mut bytes);
            } else if blank || !writer.push_null(at == 0, &mut bytes) {
                return Err(null_error(batch.schema().field(at).name(), blank));
            }
        }
        RowWriter::end_row(&mut bytes);
        ends.push(bytes.len());
    }
    Ok(Piece::Text { bytes, ends })
}

fn null_error(column: &str, blank: bool) -> Error {
    let error = if blank {
        Error::new(
            SqlState::NULL_VALUE_NOT_ALLOWED,
            "NULL in the only column would be an empty line, which is no row",
        )
        .hint("Write NULL as some other text, such as 'NULL'.")
    } else {
        Error::new(
            SqlState::NULL_VALUE_NOT_ALLOWED,
            "NULL value encountered during EXPORT, use `WITH nullas` to specify the string \
             representation of NULL",
        )
    };
    error.detail(format!("The column is \"{column}\"."))
}

fn objects_text(
    batch: &RecordBatch,
    keys: &[String],
    documents: &[bool],
    framing: Framing,
) -> Piece {
    let mut text = String::with_capacity(value_bytes(batch) * 2);
    let mut ends = Vec::with_capacity(batch.num_rows());
    for row in 0..batch.num_rows() {
        if framing == Framing::Array {
            text.push_str(",\n");
        }
        text.push('{');
        for (at, values) in batch.columns().iter().enumerate() {
            if at > 0 {
                text.push(',');
            }
            text.push_str(&keys[at]);
            print_json(values, row, documents[at], &mut text);
        }
        text.push('}');
        if framing == Framing::Lines {
            text.push('\n');
        }
        ends.push(text.len());
    }
    Piece::Text { bytes: text.into_bytes(), ends }
}

/// Returns which columns are quoted whatever they hold.
fn forced(force: &ForceQuote, schema: &Schema) -> Result<Vec<bool>> {
    let fields = schema.fields();
    let columns = match force {
        ForceQuote::None => return Ok(vec![false; fields.len()]),
        ForceQuote::All => return Ok(vec![true; fields.len()]),
        ForceQuote::Columns(columns) => columns,
    };
    let missing = columns.iter().find(|name| fields.iter().all(|field| field.name() != *name));
    if let Some(name) = missing {
        return Err(Error::new(
            SqlState::UNDEFINED_COLUMN,
            format!("column \"{name}\" does not exist"),
        )
        .detail("FORCE_QUOTE names it."));
    }
    Ok(fields.iter().map(|field| columns.contains(field.name())).collect())
}

/// Fails if two columns have the same name.
fn require_distinct(schema: &Schema) -> Result {
    let mut seen = HashSet::new();
    match schema.fields().iter().find(|field| !seen.insert(field.name())) {
        None => Ok(()),
        Some(field) => Err(Error::new(
            SqlState::DUPLICATE_COLUMN,
            format!("column \"{}\" specified more than once", field.name()),
        )
        .hint("Name the columns of the query by AS.")),
    }
}

fn holds_documents(field: &Field) -> bool {
    match sql_type_of_field(field) {
        Some(SqlType::Array(element)) => *element == SqlType::Jsonb,
        sql_type => sql_type == Some(SqlType::Jsonb),
    }
}

/// Returns the type in which Parquet holds values of a type: it lacks intervals of months, days and
/// time.
fn stored_type(data_type: &DataType) -> DataType {
    match data_type {
        DataType::Interval(_) | DataType::Null => DataType::Utf8,
        DataType::List(element) => {
            DataType::List(Arc::new(Field::new_list_field(stored_type(element.data_type()), true)))
        }
        other => other.clone(),
    }
}

fn stored(values: &ArrayRef) -> Result<ArrayRef> {
    let wanted = stored_type(values.data_type());
    if wanted == *values.data_type() {
        return Ok(Arc::clone(values));
    }
    if let DataType::List(field) = &wanted {
        let list = values.as_list::<i32>();
        let elements = stored(list.values())?;
        let (offsets, nulls) = (list.offsets().clone(), list.nulls().cloned());
        return ListArray::try_new(Arc::clone(field), offsets, elements, nulls)
            .map(|list| Arc::new(list) as ArrayRef)
            .map_err(Error::internal);
    }
    let nulls = values.logical_nulls();
    let text = |row: usize| {
        let mut text = String::new();
        print_value(values, row, &mut text);
        nulls.as_ref().is_none_or(|nulls| nulls.is_valid(row)).then_some(text)
    };
    Ok(Arc::new((0..values.len()).map(text).collect::<StringArray>()))
}
