//! The SQLSTATE codes that Wharf gives, under PostgreSQL's names (manual, appendix A).

use std::fmt;

/// A five-character SQLSTATE.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct SqlState(&'static str);

macro_rules! states {
    ($($(#[doc = $doc:literal])+ $name:ident = $code:literal;)+) => {
        impl SqlState {
            $($(#[doc = $doc])+ pub const $name: Self = Self($code);)+

            /// Every code with its name and meaning, in code order of the manual's classes.
            pub const ALL: &'static [(Self, &'static str, &'static str)] =
                &[$((Self::$name, stringify!($name), concat!($($doc),+)),)+];
        }
    };
}

states! {
    /// No connection to a server could be made.
    SQLCLIENT_UNABLE_TO_ESTABLISH_SQLCONNECTION = "08001";
    /// The connection to a server broke, or its answers make no sense.
    CONNECTION_FAILURE = "08006";
    /// The statement or a part of it is not supported.
    FEATURE_NOT_SUPPORTED = "0A000";
    /// A scalar subquery gave more than one row.
    CARDINALITY_VIOLATION = "21000";
    /// A value does not fit its use.
    DATA_EXCEPTION = "22000";
    /// A text is longer than its column.
    STRING_DATA_RIGHT_TRUNCATION = "22001";
    /// A number does not fit its type, or arithmetic overflowed.
    NUMERIC_VALUE_OUT_OF_RANGE = "22003";
    /// NULL where none can be.
    NULL_VALUE_NOT_ALLOWED = "22004";
    /// A text is no date, time or timestamp.
    INVALID_DATETIME_FORMAT = "22007";
    /// A date or time field is out of range.
    DATETIME_FIELD_OVERFLOW = "22008";
    /// A division by zero.
    DIVISION_BY_ZERO = "22012";
    /// Bytes are not UTF-8, or hold a NUL.
    CHARACTER_NOT_IN_REPERTOIRE = "22021";
    /// An option or setting has a value that it cannot take.
    INVALID_PARAMETER_VALUE = "22023";
    /// The escape character of a LIKE pattern escapes nothing, or is none.
    INVALID_ESCAPE_SEQUENCE = "22025";
    /// A sequence has no value left.
    SEQUENCE_GENERATOR_LIMIT_EXCEEDED = "2200H";
    /// A text is no value of the type.
    INVALID_TEXT_REPRESENTATION = "22P02";
    /// A data file breaks its format: field count, quotes, compression.
    BAD_COPY_FILE_FORMAT = "22P04";
    /// NULL in a column that is NOT NULL.
    NOT_NULL_VIOLATION = "23502";
    /// A referenced row is missing, or a row is still referenced.
    FOREIGN_KEY_VIOLATION = "23503";
    /// Two rows have the same key.
    UNIQUE_VIOLATION = "23505";
    /// A CHECK constraint is not satisfied.
    CHECK_VIOLATION = "23514";
    /// The statement cannot run inside a transaction.
    ACTIVE_SQL_TRANSACTION = "25001";
    /// The database is open read-only.
    READ_ONLY_SQL_TRANSACTION = "25006";
    /// The transaction has failed and must be rolled back.
    IN_FAILED_SQL_TRANSACTION = "25P02";
    /// Other objects depend on this one.
    DEPENDENT_OBJECTS_STILL_EXIST = "2BP01";
    /// A database does not exist.
    INVALID_CATALOG_NAME = "3D000";
    /// A schema does not exist.
    INVALID_SCHEMA_NAME = "3F000";
    /// The user lacks a privilege.
    INSUFFICIENT_PRIVILEGE = "42501";
    /// The text is not a statement, or an option is not known.
    SYNTAX_ERROR = "42601";
    /// A name is not usable.
    INVALID_NAME = "42602";
    /// A column is named twice.
    DUPLICATE_COLUMN = "42701";
    /// A column name fits several columns.
    AMBIGUOUS_COLUMN = "42702";
    /// A column does not exist.
    UNDEFINED_COLUMN = "42703";
    /// An object (type, user, setting, job, constraint) does not exist.
    UNDEFINED_OBJECT = "42704";
    /// An object (user, constraint, index) exists already.
    DUPLICATE_OBJECT = "42710";
    /// A column is neither grouped nor aggregated.
    GROUPING_ERROR = "42803";
    /// An expression has the wrong type.
    DATATYPE_MISMATCH = "42804";
    /// A table stands where a sequence should, or the other way round.
    WRONG_OBJECT_TYPE = "42809";
    /// The referenced columns are no key.
    INVALID_FOREIGN_KEY = "42830";
    /// A type cannot be cast to the other.
    CANNOT_COERCE = "42846";
    /// A function or operator does not exist for these types.
    UNDEFINED_FUNCTION = "42883";
    /// A name is reserved.
    RESERVED_NAME = "42939";
    /// A table does not exist.
    UNDEFINED_TABLE = "42P01";
    /// A placeholder has no value.
    UNDEFINED_PARAMETER = "42P02";
    /// A database exists already.
    DUPLICATE_DATABASE = "42P04";
    /// A table exists already.
    DUPLICATE_TABLE = "42P07";
    /// A name stands for several objects.
    AMBIGUOUS_PARAMETER = "42P09";
    /// A column reference is not usable here.
    INVALID_COLUMN_REFERENCE = "42P10";
    /// A table is defined wrongly.
    INVALID_TABLE_DEFINITION = "42P16";
    /// A disk is full, or a space limit is reached.
    DISK_FULL = "53100";
    /// The memory limit is reached.
    OUT_OF_MEMORY = "53200";
    /// A limit of the program is reached.
    PROGRAM_LIMIT_EXCEEDED = "54000";
    /// The statement nests too deeply.
    STATEMENT_TOO_COMPLEX = "54001";
    /// A table or a row has too many columns.
    TOO_MANY_COLUMNS = "54011";
    /// An object is not in the state that the statement needs.
    OBJECT_NOT_IN_PREREQUISITE_STATE = "55000";
    /// The database or table is in use by another process or statement.
    OBJECT_IN_USE = "55006";
    /// The administrator has switched off what the statement asks for.
    OPERATOR_INTERVENTION = "57000";
    /// The statement was cancelled.
    QUERY_CANCELED = "57014";
    /// A file or directory does not exist.
    UNDEFINED_FILE = "58P01";
    /// A file exists already.
    DUPLICATE_FILE = "58P02";
    /// The operating system reported an I/O error.
    IO_ERROR = "58030";
    /// A defect of ours.
    INTERNAL_ERROR = "XX000";
    /// A file of the database is damaged.
    DATA_CORRUPTED = "XX001";
}

impl SqlState {
    /// Returns the five characters of the code.
    pub fn as_str(self) -> &'static str {
        self.0
    }
}

impl fmt::Display for SqlState {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.0)
    }
}

impl fmt::Debug for SqlState {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.0)
    }
}
