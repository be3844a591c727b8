//! Rows to text: the CSV and TSV that the shell and EXPORT print.

use std::io::{self, Write};

use csv::{QuoteStyle, Terminator, Writer, WriterBuilder};

/// Writes rows of text cells, one line each; a cell is quoted only if it holds the delimiter, a
/// quote or a line break.
pub struct CsvWriter<W: Write> {
    writer: Writer<W>,
    null: String,
}

impl<W: Write> CsvWriter<W> {
    /// Returns a writer with `delimiter` between cells that prints `null` for NULL.
    pub fn new(output: W, delimiter: u8, null: impl Into<String>) -> Self {
        let writer = WriterBuilder::new()
            .delimiter(delimiter)
            .quote_style(QuoteStyle::Necessary)
            .terminator(Terminator::Any(b'\n'))
            .flexible(true)
            .has_headers(false)
            .from_writer(output);
        Self { writer, null: null.into() }
    }

    /// Returns a writer of comma-separated rows that prints `null` for NULL.
    pub fn comma_separated(output: W, null: impl Into<String>) -> Self {
        Self::new(output, b',', null)
    }

    /// Returns a writer of tab-separated rows that prints `null` for NULL.
    pub fn tab_separated(output: W, null: impl Into<String>) -> Self {
        Self::new(output, b'\t', null)
    }

    /// Writes one row; `None` is NULL.
    pub fn write_row(&mut self, cells: &[Option<&str>]) -> io::Result<()> {
        for cell in cells {
            self.writer.write_field(cell.unwrap_or(&self.null)).map_err(io_error)?;
        }
        self.writer.write_record(None::<&[u8]>).map_err(io_error)
    }

    /// Hands everything written so far to the output.
    pub fn flush(&mut self) -> io::Result<()> {
        self.writer.flush()
    }

    /// Ends writing and returns the output.
    pub fn finish(self) -> io::Result<W> {
        self.writer.into_inner().map_err(csv::IntoInnerError::into_error)
    }
}

/// Returns the error of the output; the writer has no other, because rows may differ in length.
fn io_error(error: csv::Error) -> io::Error {
    match error.into_kind() {
        csv::ErrorKind::Io(error) => error,
        other => io::Error::other(format!("{other:?}")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(writer: fn(Vec<u8>) -> CsvWriter<Vec<u8>>, cells: &[Option<&str>], expected: &str) {
        let mut writer = writer(Vec::new());
        writer.write_row(cells).unwrap();
        assert_eq!(String::from_utf8(writer.finish().unwrap()).unwrap(), expected);
    }

    fn csv(output: Vec<u8>) -> CsvWriter<Vec<u8>> {
        CsvWriter::comma_separated(output, "")
    }

    fn tsv(output: Vec<u8>) -> CsvWriter<Vec<u8>> {
        CsvWriter::tab_separated(output, "NULL")
    }

    #[test]
    fn quotes_only_where_it_must() {
        check(
            csv,
            &[Some("a"), Some(" b"), Some("c,d"), Some("e\"f")],
            "a, b,\"c,d\",\"e\"\"f\"\n",
        );
        check(csv, &[Some("a\nb"), Some("\r"), Some("\t")], "\"a\nb\",\"\r\",\t\n");
        check(tsv, &[Some("a\tb"), Some("c,d"), Some("e\"f")], "\"a\tb\"\tc,d\t\"e\"\"f\"\n");
        check(tsv, &[Some("a\nb")], "\"a\nb\"\n");
    }

    #[test]
    fn prints_null_as_it_was_told() {
        check(csv, &[None, Some("x"), None], ",x,\n");
        check(tsv, &[None, Some("x")], "NULL\tx\n");
    }

    #[test]
    fn keeps_a_row_of_one_empty_cell_apart_from_a_blank_line() {
        check(csv, &[Some("")], "\"\"\n");
    }

    #[test]
    fn hands_on_an_error_of_the_output() {
        struct Full;
        impl Write for Full {
            fn write(&mut self, _: &[u8]) -> io::Result<usize> {
                Err(io::ErrorKind::BrokenPipe.into())
            }
            fn flush(&mut self) -> io::Result<()> {
                Ok(())
            }
        }
        let mut writer = CsvWriter::comma_separated(Full, "");
        writer.write_row(&[Some("a")]).unwrap();
        assert_eq!(writer.flush().unwrap_err().kind(), io::ErrorKind::BrokenPipe);
    }
}
