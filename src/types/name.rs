//! SQL type names: text to `SqlType`.
//!
//! All spellings of CockroachDB and PostgreSQL for the types we have, in any case and spacing. A type
//! that they have and we lack is 0A000; any other word is 42704 with a suggestion.

use crate::error::{Error, Result, SqlState};

use super::sql_type::{SqlType, StringKind};

/// Names that a suggestion may offer.
const NAMES: &[&str] = &[
    "BIGINT",
    "BLOB",
    "BOOL",
    "BOOLEAN",
    "BYTEA",
    "BYTES",
    "CHAR",
    "CHARACTER",
    "DATE",
    "DEC",
    "DECIMAL",
    "DOUBLE PRECISION",
    "FLOAT",
    "FLOAT4",
    "FLOAT8",
    "INET",
    "INT",
    "INT2",
    "INT4",
    "INT64",
    "INT8",
    "INTEGER",
    "INTERVAL",
    "JSON",
    "JSONB",
    "NUMERIC",
    "REAL",
    "SMALLINT",
    "STRING",
    "TEXT",
    "TIME",
    "TIMESTAMP",
    "TIMESTAMPTZ",
    "UUID",
    "VARCHAR",
];

/// Types of CockroachDB and PostgreSQL that Wharf has not.
const ELSEWHERE: &[&str] = &[
    "BIT",
    "BOX",
    "BOX2D",
    "CIDR",
    "CIRCLE",
    "CITEXT",
    "DATERANGE",
    "GEOGRAPHY",
    "GEOMETRY",
    "HSTORE",
    "INT4RANGE",
    "INT8RANGE",
    "LINE",
    "LSEG",
    "LTREE",
    "MACADDR",
    "MACADDR8",
    "MONEY",
    "NUMRANGE",
    "OID",
    "PATH",
    "PG_LSN",
    "POINT",
    "POLYGON",
    "RECORD",
    "REGCLASS",
    "REGPROC",
    "REGTYPE",
    "TIMETZ",
    "TSQUERY",
    "TSRANGE",
    "TSTZRANGE",
    "TSVECTOR",
    "VARBIT",
    "VECTOR",
    "XML",
];

/// Names of integer types that number their rows.
const SERIAL: &[&str] = &["SERIAL", "SERIAL2", "SERIAL4", "SERIAL8", "BIGSERIAL", "SMALLSERIAL"];

impl SqlType {
    /// Parses the name of a type, such as `varchar(20)`, `DOUBLE PRECISION` or `INT[]`.
    pub fn parse(text: &str) -> Result<Self> {
        let mut reader = Reader { text, tokens: scan(text)?, at: 0 };
        let mut parsed = reader.scalar()?;
        while reader.at < reader.tokens.len() {
            parsed = reader.suffix(parsed)?;
        }
        Ok(parsed)
    }

    /// Returns the type behind SERIAL and its like: the column takes it with
    /// `DEFAULT unique_rowid()`.
    ///
    /// It is INT8 for all of them, as in CockroachDB: a row id fits no smaller type.
    pub fn is_serial(text: &str) -> Option<Self> {
        let name = text.trim();
        SERIAL.iter().any(|serial| serial.eq_ignore_ascii_case(name)).then_some(Self::Int8)
    }

    /// Returns the string type with a collation: `C`, `POSIX` or `default`, in any case.
    pub fn with_collation(self, name: &str) -> Result<Self> {
        let bare = name.trim().trim_matches('"');
        let known = ["C", "POSIX", "default"].into_iter().find(|it| it.eq_ignore_ascii_case(bare));
        match (self, known) {
            (Self::String { kind, length, .. }, Some(known)) => {
                Ok(Self::String { kind, length, collation: Some(known.to_owned()) })
            }
            (Self::Array(element), _) => Ok(Self::Array(Box::new(element.with_collation(name)?))),
            (Self::String { .. }, None) => Err(Error::new(
                SqlState::FEATURE_NOT_SUPPORTED,
                format!("collation \"{bare}\" is not supported"),
            )
            .hint("Only the collations \"C\", \"POSIX\" and \"default\" order and compare.")),
            (other, _) => Err(Error::new(
                SqlState::DATATYPE_MISMATCH,
                format!("collations are not supported by type {other}"),
            )),
        }
    }
}

/// A piece of a type's name.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Token {
    /// A word in upper case, or what stood between double quotes.
    Word(String),
    /// Digits.
    Number(String),
    /// Any other character.
    Symbol(char),
}

/// Cuts a type's name into tokens.
fn scan(text: &str) -> Result<Vec<Token>> {
    let mut tokens = Vec::new();
    let mut rest = text;
    while let Some(first) = rest.chars().next() {
        let taken = match first {
            _ if first.is_whitespace() => first.len_utf8(),
            '"' => {
                let end = rest[1..].find('"').ok_or_else(|| syntax(text))?;
                tokens.push(Token::Word(rest[1..=end].to_ascii_uppercase()));
                end + 2
            }
            _ if first.is_ascii_digit() => {
                let end = rest.find(|c: char| !c.is_ascii_digit()).unwrap_or(rest.len());
                tokens.push(Token::Number(rest[..end].to_owned()));
                end
            }
            _ if first.is_alphabetic() || first == '_' => {
                let end =
                    rest.find(|c: char| !c.is_alphanumeric() && c != '_').unwrap_or(rest.len());
                tokens.push(Token::Word(rest[..end].to_ascii_uppercase()));
                end
            }
            _ => {
                tokens.push(Token::Symbol(first));
                first.len_utf8()
            }
        };
        rest = &rest[taken..];
    }
    Ok(tokens)
}

/// Reads tokens from the left.
struct Reader<'a> {
    text: &'a str,
    tokens: Vec<Token>,
    at: usize,
}

impl Reader<'_> {
    fn take_symbol(&mut self, symbol: char) -> bool {
        let found = self.tokens.get(self.at) == Some(&Token::Symbol(symbol));
        self.at += usize::from(found);
        found
    }

    fn take_word(&mut self, word: &str) -> bool {
        let found = matches!(self.tokens.get(self.at), Some(Token::Word(it)) if it == word);
        self.at += usize::from(found);
        found
    }

    fn expect(&mut self, found: bool) -> Result {
        if found { Ok(()) } else { Err(syntax(self.text)) }
    }

    fn number(&mut self) -> Result<u32> {
        let negative = self.take_symbol('-');
        let Some(Token::Number(digits)) = self.tokens.get(self.at) else {
            return Err(syntax(self.text));
        };
        self.at += 1;
        match digits.parse() {
            Ok(number) if !negative => Ok(number),
            _ => Err(Error::new(
                SqlState::INVALID_PARAMETER_VALUE,
                format!(
                    "{}{digits} is out of range in type \"{}\"",
                    if negative { "-" } else { "" },
                    self.text.trim()
                ),
            )),
        }
    }

    /// Reads `(n, ...)` if it stands here: no, one or two numbers.
    fn arguments(&mut self) -> Result<Vec<u32>> {
        let mut numbers = Vec::new();
        if !self.take_symbol('(') {
            return Ok(numbers);
        }
        loop {
            numbers.push(self.number()?);
            if !self.take_symbol(',') {
                break;
            }
        }
        let closed = self.take_symbol(')') && numbers.len() <= 2;
        self.expect(closed)?;
        Ok(numbers)
    }

    /// Reads `(n)` if it stands here.
    fn argument(&mut self) -> Result<Option<u32>> {
        let numbers = self.arguments()?;
        self.expect(numbers.len() <= 1)?;
        Ok(numbers.first().copied())
    }

    fn scalar(&mut self) -> Result<SqlType> {
        let Some(Token::Word(mut word)) = self.tokens.first().cloned() else {
            return Err(syntax(self.text));
        };
        self.at = 1;
        if word == "PG_CATALOG" && self.take_symbol('.') {
            let Some(Token::Word(name)) = self.tokens.get(self.at).cloned() else {
                return Err(syntax(self.text));
            };
            self.at += 1;
            word = name;
        }
        Ok(match word.as_str() {
            "BOOL" | "BOOLEAN" => SqlType::Bool,
            "INT2" | "SMALLINT" => SqlType::Int2,
            "INT4" => SqlType::Int4,
            "INT" | "INTEGER" | "INT8" | "INT64" | "BIGINT" => SqlType::Int8,
            "REAL" | "FLOAT4" => SqlType::Float4,
            "FLOAT8" => SqlType::Float8,
            "FLOAT" => self.float()?,
            "DOUBLE" => {
                self.take_word("PRECISION");
                SqlType::Float8
            }
            "DECIMAL" | "NUMERIC" | "DEC" => self.decimal()?,
            "STRING" | "TEXT" => self.string(StringKind::String)?,
            "VARCHAR" | "BPCHAR" => self.string(StringKind::Varchar)?,
            "CHAR" | "CHARACTER" if self.take_word("VARYING") => {
                self.string(StringKind::Varchar)?
            }
            "CHAR" | "CHARACTER" => self.string(StringKind::Char)?,
            "BYTES" | "BYTEA" | "BLOB" => SqlType::Bytes,
            "DATE" => SqlType::Date,
            "TIME" => self.time()?,
            "TIMESTAMP" => self.timestamp()?,
            "TIMESTAMPTZ" => {
                self.precision()?;
                SqlType::TimestampTz
            }
            "INTERVAL" => self.interval()?,
            "UUID" => SqlType::Uuid,
            "INET" => SqlType::Inet,
            "JSON" | "JSONB" => SqlType::Jsonb,
            other => return Err(absent(other)),
        })
    }

    fn float(&mut self) -> Result<SqlType> {
        match self.argument()? {
            Some(1..=24) => Ok(SqlType::Float4),
            None | Some(25..=53) => Ok(SqlType::Float8),
            Some(other) => Err(Error::new(
                SqlState::INVALID_PARAMETER_VALUE,
                format!("precision {other} for type FLOAT must be between 1 and 53"),
            )),
        }
    }

    fn decimal(&mut self) -> Result<SqlType> {
        let numbers = self.arguments()?;
        let Some(&precision) = numbers.first() else { return Ok(SqlType::Decimal(None)) };
        let scale = numbers.get(1).copied().unwrap_or(0);
        let wrong = |message| Err(Error::new(SqlState::INVALID_PARAMETER_VALUE, message));
        match (u8::try_from(precision), i8::try_from(scale)) {
            (Ok(precision @ 1..=76), Ok(scale)) if i16::from(scale) <= i16::from(precision) => {
                Ok(SqlType::Decimal(Some((precision, scale))))
            }
            (Ok(1..=76), _) => wrong(format!(
                "scale {scale} of type DECIMAL must not be greater than its precision {precision}"
            )),
            _ => wrong(format!("precision {precision} of type DECIMAL must be between 1 and 76")),
        }
    }

    fn string(&mut self, kind: StringKind) -> Result<SqlType> {
        let length = match self.argument()? {
            Some(0) => {
                return Err(Error::new(
                    SqlState::INVALID_PARAMETER_VALUE,
                    format!("length of type \"{}\" must be at least 1", self.text.trim()),
                ));
            }
            None if kind == StringKind::Char => Some(1),
            length => length,
        };
        Ok(SqlType::String { kind, length, collation: None })
    }

    /// Reads the precision of a type that holds microseconds: 6, or none.
    fn precision(&mut self) -> Result {
        match self.argument()? {
            None | Some(6) => Ok(()),
            Some(other @ 0..=5) => Err(Error::new(
                SqlState::FEATURE_NOT_SUPPORTED,
                format!("precision {other} is not supported in type \"{}\"", self.text.trim()),
            )
            .hint("Leave the precision out: times are held in microseconds.")),
            Some(other) => Err(Error::new(
                SqlState::INVALID_PARAMETER_VALUE,
                format!(
                    "precision {other} of type \"{}\" must be between 0 and 6",
                    self.text.trim()
                ),
            )),
        }
    }

    /// Reads `WITH TIME ZONE` or `WITHOUT TIME ZONE`; returns whether the type has a zone.
    fn zone(&mut self) -> Result<bool> {
        let with = self.take_word("WITH");
        if with || self.take_word("WITHOUT") {
            let complete = self.take_word("TIME") && self.take_word("ZONE");
            self.expect(complete)?;
        }
        Ok(with)
    }

    fn time(&mut self) -> Result<SqlType> {
        self.precision()?;
        if self.zone()? { Err(unsupported("TIMETZ")) } else { Ok(SqlType::Time) }
    }

    fn timestamp(&mut self) -> Result<SqlType> {
        self.precision()?;
        Ok(if self.zone()? { SqlType::TimestampTz } else { SqlType::Timestamp })
    }

    fn interval(&mut self) -> Result<SqlType> {
        let fields = ["YEAR", "MONTH", "DAY", "HOUR", "MINUTE", "SECOND"];
        if matches!(self.tokens.get(self.at), Some(Token::Word(it)) if fields.contains(&it.as_str()))
        {
            return Err(unsupported(self.text.trim()));
        }
        self.precision()?;
        Ok(SqlType::Interval)
    }

    /// Reads `[]`, `[n]`, `ARRAY` or `COLLATE name` behind a type.
    fn suffix(&mut self, parsed: SqlType) -> Result<SqlType> {
        if self.take_word("COLLATE") {
            let Some(Token::Word(name)) = self.tokens.get(self.at).cloned() else {
                return Err(syntax(self.text));
            };
            self.at += 1;
            return parsed.with_collation(&name);
        }
        let array = self.take_word("ARRAY");
        if self.take_symbol('[') {
            // As in PostgreSQL a length is allowed and means nothing.
            if matches!(self.tokens.get(self.at), Some(Token::Number(_))) {
                self.at += 1;
            }
            let closed = self.take_symbol(']');
            self.expect(closed)?;
        } else {
            self.expect(array)?;
        }
        match parsed {
            SqlType::Array(_) => Err(Error::new(
                SqlState::FEATURE_NOT_SUPPORTED,
                "arrays of arrays are not supported",
            )),
            element => Ok(SqlType::Array(Box::new(element))),
        }
    }
}

/// Returns the error of a text that is not formed as the name of a type.
fn syntax(text: &str) -> Error {
    Error::new(SqlState::SYNTAX_ERROR, format!("syntax error in type \"{}\"", text.trim()))
}

fn unsupported(name: &str) -> Error {
    Error::new(SqlState::FEATURE_NOT_SUPPORTED, format!("type {name} is not supported"))
}

/// Returns the error of a name that is none of our types.
fn absent(name: &str) -> Error {
    if ELSEWHERE.contains(&name) {
        return unsupported(name);
    }
    if SERIAL.contains(&name) {
        return unsupported(name).hint("Only the column of a new table can be numbered.");
    }
    let error = Error::new(
        SqlState::UNDEFINED_OBJECT,
        format!("type \"{}\" does not exist", name.to_lowercase()),
    );
    let nearest = NAMES
        .iter()
        .map(|known| (strsim::damerau_levenshtein(name, known), *known))
        .min_by_key(|(distance, _)| *distance);
    match nearest {
        Some((distance, known)) if distance <= 2.max(name.len() / 4) && distance < name.len() => {
            error.hint(format!("Did you mean \"{known}\"?"))
        }
        _ => error,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(text: &str, canonical: &str) {
        let parsed = SqlType::parse(text).unwrap();
        assert_eq!(parsed.to_string(), canonical);
        assert_eq!(SqlType::parse(&parsed.to_string()).unwrap(), parsed);
    }

    #[track_caller]
    fn refuses(text: &str, code: SqlState) -> Error {
        let error = SqlType::parse(text).unwrap_err();
        assert_eq!(error.code(), code, "{error}");
        error
    }

    #[test]
    fn reads_every_name() {
        for (text, canonical) in [
            ("bool", "BOOL"),
            ("Boolean", "BOOL"),
            ("int2", "INT2"),
            ("smallint", "INT2"),
            ("int4", "INT4"),
            ("int", "INT8"),
            ("integer", "INT8"),
            ("int8", "INT8"),
            ("int64", "INT8"),
            ("bigint", "INT8"),
            ("float4", "FLOAT4"),
            ("real", "FLOAT4"),
            ("float", "FLOAT8"),
            ("float(24)", "FLOAT4"),
            ("float(53)", "FLOAT8"),
            ("float8", "FLOAT8"),
            ("double  precision", "FLOAT8"),
            ("decimal", "DECIMAL"),
            ("numeric ( 10 , 2 )", "DECIMAL(10,2)"),
            ("dec(5)", "DECIMAL(5)"),
            ("string", "STRING"),
            ("text", "STRING"),
            ("string(9)", "STRING(9)"),
            ("varchar", "VARCHAR"),
            ("character varying(7)", "VARCHAR(7)"),
            ("char varying", "VARCHAR"),
            ("char", "CHAR"),
            ("character(3)", "CHAR(3)"),
            ("bpchar", "VARCHAR"),
            ("bytes", "BYTES"),
            ("bytea", "BYTES"),
            ("blob", "BYTES"),
            ("date", "DATE"),
            ("time", "TIME"),
            ("time(6) without time zone", "TIME"),
            ("timestamp", "TIMESTAMP"),
            ("timestamp(6) with time zone", "TIMESTAMPTZ"),
            ("timestamp without time zone", "TIMESTAMP"),
            ("timestamptz", "TIMESTAMPTZ"),
            ("interval", "INTERVAL"),
            ("uuid", "UUID"),
            ("inet", "INET"),
            ("json", "JSONB"),
            ("jsonb", "JSONB"),
            ("\"int4\"", "INT4"),
            ("pg_catalog.int4", "INT4"),
        ] {
            check(text, canonical);
        }
    }

    #[test]
    fn reads_arrays_and_collations() {
        check("int[]", "INT8[]");
        check("int [ 3 ]", "INT8[]");
        check("text array", "STRING[]");
        check("varchar(5) collate \"c\"", "VARCHAR(5) COLLATE \"C\"");
        check("string collate default []", "STRING COLLATE \"default\"[]");
        refuses("int[][]", SqlState::FEATURE_NOT_SUPPORTED);
        refuses("text collate en", SqlState::FEATURE_NOT_SUPPORTED);
        refuses("int collate \"C\"", SqlState::DATATYPE_MISMATCH);
    }

    #[test]
    fn refuses_numbers_out_of_range() {
        for text in [
            "decimal(0)",
            "decimal(77)",
            "decimal(5,6)",
            "decimal(5,-1)",
            "varchar(0)",
            "float(54)",
            "time(7)",
            "varchar(99999999999)",
            "decimal(300,300)",
        ] {
            refuses(text, SqlState::INVALID_PARAMETER_VALUE);
        }
    }

    #[test]
    fn refuses_what_only_others_have() {
        for text in
            ["time with time zone", "timetz", "bit(3)", "geometry", "timestamp(3)", "interval day"]
        {
            refuses(text, SqlState::FEATURE_NOT_SUPPORTED);
        }
    }

    #[test]
    fn suggests_the_nearest_name() {
        let error = refuses("intger", SqlState::UNDEFINED_OBJECT);
        assert_eq!(error.hint_text(), Some("Did you mean \"INTEGER\"?"));
        assert_eq!(refuses("wombat", SqlState::UNDEFINED_OBJECT).hint_text(), None);
    }

    #[test]
    fn refuses_malformed_names() {
        for text in
            ["", "int(", "decimal(1,2,3)", "int foo", "int]", "timestamp with zone", "\"int"]
        {
            refuses(text, SqlState::SYNTAX_ERROR);
        }
    }

    #[test]
    fn serial_is_always_int8() {
        assert_eq!(SqlType::is_serial(" smallserial "), Some(SqlType::Int8));
        assert_eq!(SqlType::is_serial("int"), None);
    }
}
