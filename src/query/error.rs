//! Errors of DataFusion, Arrow and sqlparser, turned into ours once, at this fence.
//!
//! An error of ours that travelled through DataFusion (as `External`) comes out unchanged. Everything
//! that a user can cause gets a code of its own; XX000 is left for defects.

use datafusion::arrow::error::ArrowError;
use datafusion::common::{Column, DataFusionError, SchemaError};
use datafusion::sql::sqlparser::parser::ParserError;

use super::names::visible_name;
use crate::error::{Error, Result, Span, SqlState};

/// The text that a query was planned from, and where it stands in the statement.
#[derive(Clone, Copy, Debug)]
pub(super) struct Origin<'a> {
    /// The text.
    pub(super) sql: &'a str,
    /// The place of its first byte in the statement.
    pub(super) offset: usize,
}

impl Origin<'_> {
    /// Returns the byte span of a line and column, both from 1, or nothing outside the text.
    pub(super) fn span(&self, start: (u64, u64), end: (u64, u64)) -> Option<Span> {
        let first = self.byte(start)?;
        let last = self.byte(end).filter(|last| *last > first).unwrap_or(first + 1);
        Some(Span::new(first, last).shifted(self.offset))
    }

    fn byte(&self, (line, column): (u64, u64)) -> Option<usize> {
        let line = usize::try_from(line).ok()?.checked_sub(1)?;
        let column = usize::try_from(column).ok()?.checked_sub(1)?;
        let mut start = 0;
        for _ in 0..line {
            start += self.sql[start..].find('\n')? + 1;
        }
        let text = &self.sql[start..];
        Some(start + text.char_indices().nth(column).map_or(text.len(), |(at, _)| at))
    }
}

/// Returns our error for one of DataFusion, with its place in the statement if it has one.
pub(super) fn from_query(error: DataFusionError, origin: Origin<'_>) -> Error {
    let mut span = None;
    let mut current = &error;
    loop {
        match current {
            DataFusionError::Diagnostic(diagnostic, inner) => {
                span = diagnostic.span.or(span);
                current = inner;
            }
            DataFusionError::Context(_, inner) => current = inner,
            DataFusionError::Shared(inner) => current = inner,
            DataFusionError::Collection(errors) if !errors.is_empty() => current = &errors[0],
            _ => break,
        }
    }
    let place = span.and_then(|span| {
        origin.span((span.start.line, span.start.column), (span.end.line, span.end.column))
    });
    let mut ours = convert(error);
    if let Some(place) = place {
        ours = ours.at(place);
    }
    ours
}

/// Returns our error for one of DataFusion that has no place in the text.
pub(super) fn convert(error: DataFusionError) -> Error {
    match error {
        DataFusionError::Diagnostic(_, inner) | DataFusionError::Context(_, inner) => {
            convert(*inner)
        }
        DataFusionError::Shared(inner) => match std::sync::Arc::try_unwrap(inner) {
            Ok(inner) => convert(inner),
            Err(shared) => from_shared(&shared),
        },
        DataFusionError::Collection(errors) => match errors.into_iter().next() {
            Some(first) => convert(first),
            None => Error::internal("an empty list of errors"),
        },
        DataFusionError::External(inner) => from_boxed(inner),
        DataFusionError::ArrowError(inner, _) => from_arrow(*inner),
        other => from_shared(&other).caused_by(other),
    }
}

/// Returns our error for one of Arrow.
pub(super) fn from_arrow(error: ArrowError) -> Error {
    match error {
        ArrowError::ExternalError(inner) => from_boxed(inner),
        other => arrow_code(&other).caused_by(other),
    }
}

/// Returns our error as one that can travel through DataFusion.
pub(super) fn external(error: Error) -> DataFusionError {
    DataFusionError::External(Box::new(error))
}

/// Returns the error of a text that sqlparser refuses.
pub(super) fn from_parser(error: &ParserError, origin: Origin<'_>) -> Error {
    let text = match error {
        ParserError::RecursionLimitExceeded => return too_deep(),
        ParserError::TokenizerError(text) | ParserError::ParserError(text) => text,
    };
    let (text, place) = split_location(text);
    let message = match text.split_once(", found: ") {
        Some((_, "EOF")) => "syntax error at end of input".to_owned(),
        Some((_, token)) => format!("syntax error at or near \"{token}\""),
        None => format!("syntax error: {}", tidy(text)),
    };
    let mut error = Error::new(SqlState::SYNTAX_ERROR, message);
    if let Some((expected, _)) = text.split_once(", found: ") {
        error = error.detail(format!("{expected}."));
    }
    match place.and_then(|place| origin.span(place, place)) {
        Some(span) => error.at(span),
        None => error,
    }
}

/// Returns the error of a statement whose nesting is beyond the limit.
pub(super) fn too_deep() -> Error {
    Error::new(SqlState::STATEMENT_TOO_COMPLEX, "statement nests too deeply")
        .hint("Split the expression or the query into smaller ones.")
}

/// Returns the error of an operator that no types fit.
pub(super) fn no_operator(shown: &str) -> Error {
    Error::new(SqlState::UNDEFINED_FUNCTION, format!("operator does not exist: {shown}"))
        .hint("No operator matches these types. An explicit cast may help.")
}

/// Takes ` at Line: 1, Column: 8` off a message of sqlparser.
fn split_location(text: &str) -> (&str, Option<(u64, u64)>) {
    let Some((head, tail)) = text.rsplit_once(" at Line: ") else { return (text, None) };
    let place = tail
        .split_once(", Column: ")
        .and_then(|(line, column)| Some((line.trim().parse().ok()?, column.trim().parse().ok()?)));
    (head, place)
}

fn from_boxed(error: Box<dyn std::error::Error + Send + Sync>) -> Error {
    let error = match error.downcast::<Error>() {
        Ok(ours) => return *ours,
        Err(other) => other,
    };
    let error = match error.downcast::<DataFusionError>() {
        Ok(inner) => return convert(*inner),
        Err(other) => other,
    };
    match error.downcast::<ArrowError>() {
        Ok(inner) => from_arrow(*inner),
        Err(other) => execution(&other.to_string()).caused_by(other),
    }
}

/// Returns our error for one that is shared with others, so that it cannot be taken apart.
fn from_shared(error: &DataFusionError) -> Error {
    match error {
        DataFusionError::Diagnostic(_, inner) | DataFusionError::Context(_, inner) => {
            from_shared(inner)
        }
        DataFusionError::Shared(inner) => from_shared(inner),
        DataFusionError::Collection(errors) => match errors.first() {
            Some(first) => from_shared(first),
            None => Error::internal("an empty list of errors"),
        },
        DataFusionError::External(inner) => match inner.downcast_ref::<Error>() {
            Some(ours) => copy(ours),
            None => match inner.downcast_ref::<DataFusionError>() {
                Some(inner) => from_shared(inner),
                None => execution(&inner.to_string()),
            },
        },
        DataFusionError::ArrowError(inner, _) => match inner.as_ref() {
            ArrowError::ExternalError(inner) => match inner.downcast_ref::<Error>() {
                Some(ours) => copy(ours),
                None => match inner.downcast_ref::<DataFusionError>() {
                    Some(inner) => from_shared(inner),
                    None => execution(&inner.to_string()),
                },
            },
            other => arrow_code(other),
        },
        DataFusionError::SQL(inner, _) => from_parser(inner, Origin { sql: "", offset: 0 }),
        DataFusionError::NotImplemented(text) => not_supported(text),
        DataFusionError::SchemaError(inner, _) => schema(inner),
        DataFusionError::Plan(text) | DataFusionError::Configuration(text) => plan(text),
        DataFusionError::Execution(text) => execution(text),
        DataFusionError::ResourcesExhausted(text) => exhausted(text),
        DataFusionError::IoError(inner) => io(inner),
        other => Error::internal(tidy(&strip(&other.to_string()))),
    }
}

/// Returns a copy of an error of ours, without its cause.
fn copy(error: &Error) -> Error {
    let mut copy = Error::new(error.code(), error.message());
    if let Some(detail) = error.detail_text() {
        copy = copy.detail(detail);
    }
    if let Some(hint) = error.hint_text() {
        copy = copy.hint(hint);
    }
    match error.place() {
        Some(crate::error::Place::Sql(span)) => copy.at(*span),
        Some(crate::error::Place::Data(place)) => copy.in_data((**place).clone()),
        None => copy,
    }
}

fn io(error: &std::io::Error) -> Error {
    let code = match error.kind() {
        std::io::ErrorKind::StorageFull => SqlState::DISK_FULL,
        _ => SqlState::IO_ERROR,
    };
    Error::new(code, format!("could not use temporary files: {error}"))
}

fn exhausted(text: &str) -> Error {
    if text.contains("spill") && text.contains("limit") || text.contains("temp_directory_size") {
        return Error::new(SqlState::DISK_FULL, "temporary files of the query exceed their limit")
            .detail(sentence(text));
    }
    Error::new(SqlState::OUT_OF_MEMORY, "query exceeds the memory limit")
        .detail(sentence(text))
        .hint("Raise it with --memory, or make the query hold fewer rows at a time.")
}

fn not_supported(text: &str) -> Error {
    if text.contains("date_trunc granularity") {
        return Error::new(SqlState::INVALID_PARAMETER_VALUE, tidy(text));
    }
    if let Some((_, kind)) = text.split_once("does not support logical expression ") {
        let kind = kind.split('(').next().unwrap_or_default();
        return match kind {
            "AggregateFunction" => Error::new(
                SqlState::GROUPING_ERROR,
                "an aggregate function is not allowed at this place",
            ),
            "WindowFunction" => Error::new(
                SqlState::FEATURE_NOT_SUPPORTED,
                "a window function is not supported at this place",
            ),
            _ => Error::new(
                SqlState::FEATURE_NOT_SUPPORTED,
                "a subquery is not supported at this place",
            ),
        };
    }
    let text = tidy(text);
    let message = if text.contains("not support") || text.contains("unsupported") {
        text
    } else {
        format!("not supported: {text}")
    };
    Error::new(SqlState::FEATURE_NOT_SUPPORTED, message)
}

fn schema(error: &SchemaError) -> Error {
    match error {
        SchemaError::FieldNotFound { field, valid_fields } => column_not_found(field, valid_fields),
        SchemaError::AmbiguousReference { field } => Error::new(
            SqlState::AMBIGUOUS_COLUMN,
            format!("column reference \"{}\" is ambiguous", visible_name(&field.name)),
        )
        .hint("Write the table's name before the column's."),
        SchemaError::DuplicateQualifiedField { name, .. }
        | SchemaError::DuplicateUnqualifiedField { name } => Error::new(
            SqlState::DUPLICATE_COLUMN,
            format!("column name \"{}\" appears more than once", visible_name(name)),
        )
        .hint("Give one of the columns another name with AS."),
    }
}

fn column_not_found(field: &Column, valid: &[Column]) -> Error {
    let name = visible_name(&field.name);
    if let Some(relation) = &field.relation
        && !valid.iter().any(|column| column.relation.as_ref() == Some(relation))
        && !valid.is_empty()
    {
        return missing_from(relation.table());
    }
    let shown = match &field.relation {
        Some(relation) => format!("column \"{}.{name}\" does not exist", relation.table()),
        None => format!("column \"{name}\" does not exist"),
    };
    // Twins in a subquery carry a mark behind their name.
    if valid.iter().any(|column| column.name != name && visible_name(&column.name) == name) {
        return Error::new(
            SqlState::AMBIGUOUS_COLUMN,
            format!("column reference \"{name}\" is ambiguous"),
        );
    }
    let error = Error::new(SqlState::UNDEFINED_COLUMN, shown);
    let known = valid.iter().map(|column| visible_name(&column.name));
    match nearest(name, known) {
        Some(near) => error.hint(format!("Did you mean \"{near}\"?")),
        None => error,
    }
}

fn missing_from(table: &str) -> Error {
    Error::new(
        SqlState::UNDEFINED_TABLE,
        format!("missing FROM-clause entry for table \"{table}\""),
    )
}

/// Returns the name of `known` that is most like `name`, if one is like it.
pub(super) fn nearest<'a>(name: &str, known: impl Iterator<Item = &'a str>) -> Option<&'a str> {
    known
        .map(|each| (strsim::damerau_levenshtein(name, &each.to_lowercase()), each))
        .filter(|(distance, _)| *distance <= 1 + name.chars().count() / 4)
        .min()
        .map(|(_, each)| each)
}

/// The codes of errors that DataFusion gives as text when it plans, by a part of their text.
const PLAN: &[(&str, SqlState)] = &[
    ("to return at most one row", SqlState::FEATURE_NOT_SUPPORTED),
    ("ORDER BY expressions", SqlState::INVALID_COLUMN_REFERENCE),
    ("OFFSET must be", SqlState::INVALID_PARAMETER_VALUE),
    ("LIMIT must be", SqlState::INVALID_PARAMETER_VALUE),
    ("xpected LIMIT to be", SqlState::INVALID_TEXT_REPRESENTATION),
    ("tep cannot be zero", SqlState::INVALID_PARAMETER_VALUE),
    ("orrelated scalar subquery", SqlState::FEATURE_NOT_SUPPORTED),
    ("in the GROUP BY clause", SqlState::GROUPING_ERROR),
    ("must be in GROUP BY", SqlState::GROUPING_ERROR),
    ("Aggregate functions are not allowed", SqlState::GROUPING_ERROR),
    ("ggregate function calls cannot be nested", SqlState::GROUPING_ERROR),
    ("different number of columns", SqlState::SYNTAX_ERROR),
    ("only return one column", SqlState::SYNTAX_ERROR),
    ("Order by column out of bounds", SqlState::INVALID_COLUMN_REFERENCE),
    ("Order by index starts", SqlState::INVALID_COLUMN_REFERENCE),
    ("Cannot find column with position", SqlState::INVALID_COLUMN_REFERENCE),
    ("specified more than once", SqlState::DUPLICATE_OBJECT),
    ("is defined multiple times", SqlState::DUPLICATE_OBJECT),
    ("is not defined", SqlState::UNDEFINED_OBJECT),
    ("require unique expression names", SqlState::DUPLICATE_COLUMN),
    ("must be >= 0", SqlState::INVALID_PARAMETER_VALUE),
    ("There is no window function", SqlState::UNDEFINED_FUNCTION),
    ("Cannot infer common", SqlState::UNDEFINED_FUNCTION),
    ("nary operator", SqlState::UNDEFINED_FUNCTION),
    ("No function matches", SqlState::UNDEFINED_FUNCTION),
    ("Failed to coerce arguments", SqlState::UNDEFINED_FUNCTION),
    ("unction '", SqlState::UNDEFINED_FUNCTION),
    ("ot implemented", SqlState::FEATURE_NOT_SUPPORTED),
    ("ot supported", SqlState::FEATURE_NOT_SUPPORTED),
    ("nsupported", SqlState::FEATURE_NOT_SUPPORTED),
    ("coerce", SqlState::DATATYPE_MISMATCH),
    ("type", SqlState::DATATYPE_MISMATCH),
    ("boolean", SqlState::DATATYPE_MISMATCH),
    ("expects", SqlState::UNDEFINED_FUNCTION),
];

/// Returns the error of a placeholder, if a message is about one.
fn no_parameter(text: &str) -> Option<Error> {
    let (_, rest) = text.split_once("laceholder")?;
    let name: String = rest.chars().skip_while(|c| *c != '$').take_while(|c| *c != '\'').collect();
    Some(Error::new(SqlState::UNDEFINED_PARAMETER, format!("there is no parameter {name}")))
}

fn plan(text: &str) -> Error {
    if let Some(error) = no_parameter(text).or_else(|| known_plan(text)) {
        return error;
    }
    if let Some(rest) = text.strip_prefix("Invalid function '") {
        let name = rest.split('\'').next().unwrap_or_default();
        let near = rest.split_once("Did you mean '").and_then(|(_, near)| near.split('\'').next());
        return no_function(name, near);
    }
    if let Some(name) = text.strip_prefix("Invalid qualifier ") {
        return missing_from(name);
    }
    let code = PLAN
        .iter()
        .find(|(part, _)| text.contains(part))
        .map_or(SqlState::SYNTAX_ERROR, |(_, code)| *code);
    Error::new(code, tidy(text))
}

/// Returns PostgreSQL's words for what DataFusion says in its own.
fn known_plan(text: &str) -> Option<Error> {
    let quoted = |marker: &str| text.split_once(marker)?.1.split(['"', '\'']).next();
    if text.contains("must appear in the GROUP BY clause") {
        let column = quoted("column \"").or_else(|| quoted("Column \""))?;
        let message = format!(
            "column \"{}\" must appear in the GROUP BY clause or be used in an aggregate function",
            visible_name(column)
        );
        return Some(Error::new(SqlState::GROUPING_ERROR, message));
    }
    if let Some((_, position)) = text.split_once("Order by column out of bounds, specified: ") {
        let position = position.split(',').next()?;
        let message = format!("ORDER BY position {position} is not in select list");
        return Some(Error::new(SqlState::INVALID_COLUMN_REFERENCE, message));
    }
    if text.contains("For SELECT DISTINCT, ORDER BY expressions") {
        let message = "for SELECT DISTINCT, ORDER BY expressions must appear in select list";
        return Some(Error::new(SqlState::INVALID_COLUMN_REFERENCE, message));
    }
    if text.contains("SELECT DISTINCT ON expressions must match") {
        let message = "SELECT DISTINCT ON expressions must match initial ORDER BY expressions";
        return Some(Error::new(SqlState::INVALID_COLUMN_REFERENCE, message));
    }
    if text.contains("non-boolean predicate") {
        let message = "argument of WHERE must be type boolean";
        return Some(Error::new(SqlState::DATATYPE_MISMATCH, message));
    }
    let call = quoted("No function matches the given name and argument types '")?;
    Some(no_call(&sql_call(call)))
}

/// Returns the error of a function that does not take these arguments.
pub(super) fn no_call(call: &str) -> Error {
    Error::new(SqlState::UNDEFINED_FUNCTION, format!("function {call} does not exist"))
        .hint("No function of that name takes these arguments. An explicit cast may help.")
}

/// Returns a call with the names that PostgreSQL has for DataFusion's types.
fn sql_call(call: &str) -> String {
    let mut shown = String::with_capacity(call.len());
    let mut word = String::new();
    for c in call.chars().chain(std::iter::once(' ')) {
        if c.is_ascii_alphanumeric() || c == '_' {
            word.push(c);
            continue;
        }
        shown += match word.as_str() {
            "Int64" => "bigint",
            "Int32" => "integer",
            "Int16" => "smallint",
            "Float64" => "double precision",
            "Float32" => "real",
            "Boolean" => "boolean",
            "Utf8" | "Utf8View" | "LargeUtf8" => "text",
            "Binary" | "BinaryView" => "bytea",
            "Date32" => "date",
            "Null" => "unknown",
            other => other,
        };
        word.clear();
        shown.push(c);
    }
    shown.trim_end().to_owned()
}

/// Returns the error of a call of a function that does not exist.
fn no_function(name: &str, near: Option<&str>) -> Error {
    let error =
        Error::new(SqlState::UNDEFINED_FUNCTION, format!("function \"{name}\" does not exist"));
    let close = near.filter(|near| nearest(name, std::iter::once(*near)).is_some());
    match close {
        Some(near) => error.hint(format!("Did you mean \"{near}\"?")),
        None => error.hint("\\hf in the shell lists the functions."),
    }
}

/// The codes of errors that DataFusion gives as text while a query runs, by a part of their text.
const EXECUTION: &[(&str, SqlState)] = &[
    ("date_trunc granularity", SqlState::INVALID_PARAMETER_VALUE),
    ("more than one row", SqlState::CARDINALITY_VIOLATION),
    ("ivide by zero", SqlState::DIVISION_BY_ZERO),
    ("verflow", SqlState::NUMERIC_VALUE_OUT_OF_RANGE),
    ("out of range", SqlState::NUMERIC_VALUE_OUT_OF_RANGE),
    ("too large", SqlState::NUMERIC_VALUE_OUT_OF_RANGE),
    ("imestamp", SqlState::INVALID_DATETIME_FORMAT),
    ("arsing date", SqlState::INVALID_DATETIME_FORMAT),
    ("time zone", SqlState::INVALID_PARAMETER_VALUE),
    ("timezone", SqlState::INVALID_PARAMETER_VALUE),
    ("egular expression", SqlState::INVALID_PARAMETER_VALUE),
    ("regex", SqlState::INVALID_PARAMETER_VALUE),
    ("ot supported", SqlState::FEATURE_NOT_SUPPORTED),
    ("nsupported", SqlState::FEATURE_NOT_SUPPORTED),
    ("Cannot cast", SqlState::INVALID_TEXT_REPRESENTATION),
    ("must be", SqlState::INVALID_PARAMETER_VALUE),
];

fn execution(text: &str) -> Error {
    if let Some(error) = no_parameter(text) {
        return error;
    }
    let code = EXECUTION
        .iter()
        .find(|(part, _)| text.contains(part))
        .map_or(SqlState::DATA_EXCEPTION, |(_, code)| *code);
    match code {
        SqlState::CARDINALITY_VIOLATION => {
            Error::new(code, "more than one row returned by a subquery used as an expression")
        }
        SqlState::DIVISION_BY_ZERO => Error::new(code, "division by zero"),
        _ => Error::new(code, tidy(text)),
    }
}

fn arrow_code(error: &ArrowError) -> Error {
    match error {
        ArrowError::DivideByZero => Error::new(SqlState::DIVISION_BY_ZERO, "division by zero"),
        ArrowError::ArithmeticOverflow(text) => {
            Error::new(SqlState::NUMERIC_VALUE_OUT_OF_RANGE, "number out of range")
                .detail(sentence(text))
        }
        ArrowError::NotYetImplemented(text) => not_supported(text),
        ArrowError::MemoryError(text) => exhausted(text),
        ArrowError::IoError(_, inner) => io(inner),
        ArrowError::CastError(text)
        | ArrowError::ParseError(text)
        | ArrowError::ComputeError(text)
        | ArrowError::InvalidArgumentError(text) => arrow_text(text),
        other => Error::internal(tidy(&other.to_string())),
    }
}

/// Returns the error of an Arrow kernel that tells its reason as text.
fn arrow_text(text: &str) -> Error {
    if text.contains("Cannot cast string") {
        return Error::new(SqlState::INVALID_TEXT_REPRESENTATION, tidy(text));
    }
    if text.contains("an't cast value") || text.contains("Cannot cast to Decimal") {
        return Error::new(SqlState::NUMERIC_VALUE_OUT_OF_RANGE, tidy(text));
    }
    execution(text)
}

/// Returns `text` as a message: one line, no full stop, its first word in lower case.
fn tidy(text: &str) -> String {
    let text = strip(text);
    let line = text.lines().next().unwrap_or_default().trim().trim_end_matches('.');
    let mut chars = line.chars();
    match (chars.next(), chars.clone().next()) {
        (Some(first), Some(second)) if first.is_uppercase() && !second.is_uppercase() => {
            first.to_lowercase().chain(chars).collect()
        }
        _ => line.to_owned(),
    }
}

/// Returns `text` as a sentence.
fn sentence(text: &str) -> String {
    let text = tidy(text);
    let mut chars = text.chars();
    let first = chars.next().into_iter().flat_map(char::to_uppercase);
    first.chain(chars).chain(std::iter::once('.')).collect()
}

/// Takes the backtrace and the names of error kinds off a message.
fn strip(text: &str) -> String {
    let mut text = text.split("\n\nbacktrace:").next().unwrap_or_default();
    for prefix in
        ["Error during planning: ", "Execution error: ", "Arrow error: ", "External error: "]
    {
        text = text.strip_prefix(prefix).unwrap_or(text);
    }
    text.split('\u{1}').next().unwrap_or_default().to_owned()
}

/// Turns results of DataFusion and Arrow into ours.
pub(super) trait IntoOurs<T> {
    /// Returns the value, or our error.
    fn ours(self) -> Result<T>;
}

impl<T> IntoOurs<T> for std::result::Result<T, DataFusionError> {
    fn ours(self) -> Result<T> {
        self.map_err(convert)
    }
}

impl<T> IntoOurs<T> for std::result::Result<T, ArrowError> {
    fn ours(self) -> Result<T> {
        self.map_err(from_arrow)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOWHERE: Origin<'static> = Origin { sql: "", offset: 0 };

    #[test]
    fn gives_back_our_own_error_from_any_depth() {
        let deep = DataFusionError::Context(
            "context".into(),
            Box::new(DataFusionError::Shared(std::sync::Arc::new(DataFusionError::ArrowError(
                Box::new(ArrowError::ExternalError(Box::new(external(
                    Error::new(SqlState::INVALID_TEXT_REPRESENTATION, "wrong").hint("Do it."),
                )))),
                None,
            )))),
        );
        let error = from_query(deep, NOWHERE);
        assert_eq!(error.code(), SqlState::INVALID_TEXT_REPRESENTATION);
        assert_eq!((error.message(), error.hint_text()), ("wrong", Some("Do it.")));
    }

    #[test]
    fn finds_the_byte_of_a_line_and_column() {
        let origin = Origin { sql: "select\n  \u{e9}x", offset: 10 };
        assert_eq!(origin.span((2, 4), (2, 5)), Some(Span::new(10 + 11, 10 + 12)));
    }

    #[test]
    fn tells_the_token_that_broke_the_syntax() {
        let error = from_parser(
            &ParserError::ParserError(
                "Expected: an expression, found: FROM at Line: 1, Column: 8".into(),
            ),
            Origin { sql: "SELECT FROM t", offset: 0 },
        );
        assert_eq!(error.message(), "syntax error at or near \"FROM\"");
        assert_eq!(error.place(), Some(&crate::error::Place::Sql(Span::new(7, 8))));
    }
}
