//! The words of the language: which are keywords, which cannot be names, which are quoted when
//! printed.
//!
//! Owns the lists only. `grammar/lexical.pest` repeats the reserved words, since a grammar cannot
//! read them from here; a test keeps the two equal.

/// Every keyword, upper case and sorted: for highlighting and completion.
#[rustfmt::skip]
pub const KEYWORDS: &[&str] = &[
    "ABORT", "ACTION", "ADD", "ALL", "ALTER", "ALWAYS", "ANALYSE", "ANALYZE", "AND", "ANY", "ARRAY",
    "AS", "ASC", "ASYMMETRIC", "AT", "BACKUP", "BEGIN", "BETWEEN", "BIGINT", "BIT", "BOOL",
    "BOOLEAN", "BOTH", "BY", "BYTEA", "BYTES", "CACHE", "CANCEL", "CASCADE", "CASE", "CAST", "CHAR",
    "CHARACTER", "CHECK", "CLUSTER", "COALESCE", "COLLATE", "COLUMN", "COLUMNS", "COMMENT",
    "COMMIT", "COMPLETE", "CONCURRENTLY", "CONFLICT", "CONSTRAINT", "CONSTRAINTS", "COPY", "COVERING", "CREATE",
    "CROSS", "CSV", "CURRENT_CATALOG", "CURRENT_DATE", "CURRENT_ROLE", "CURRENT_SCHEMA",
    "CURRENT_TIME", "CURRENT_TIMESTAMP", "CURRENT_USER", "CYCLE", "DATA", "DATABASE", "DATABASES",
    "DATE", "DECIMAL", "DECLARE", "DEFAULT", "DEFERRABLE", "DELETE", "DESC", "DESCRIBE", "DISTINCT",
    "DO", "DOUBLE", "DROP", "ELSE", "END", "ESCAPE", "EXCEPT", "EXECUTE", "EXISTS", "EXPLAIN",
    "EXPORT", "EXTRACT", "FALSE", "FAMILY", "FETCH", "FILTER", "FIRST", "FLOAT", "FLOAT4", "FLOAT8",
    "FOLLOWING", "FOR", "FOREIGN", "FROM", "FULL", "GENERATED", "GRANT", "GRANTS", "GROUP",
    "GROUPS", "HAVING", "IDENTITY", "IF", "ILIKE", "IMPORT", "IN", "INCLUDE", "INCREMENT", "INDEX",
    "INDEXES", "INET", "INNER", "INSERT", "INT", "INT2", "INT4", "INT8", "INTEGER", "INTERSECT",
    "INTERVAL", "INTO", "INVERTED", "IS", "ISOLATION", "JOB", "JOBS", "JOIN", "JSON", "JSONB",
    "KEY", "KEYS", "LAST", "LATERAL", "LEADING", "LEFT", "LEVEL", "LIKE", "LIMIT", "LOCAL",
    "LOCALTIME", "LOCALTIMESTAMP", "MATCH", "MAXVALUE", "MINVALUE", "NATURAL", "NO", "NOT", "NULL",
    "NULLIF", "NULLS", "NUMERIC", "OF", "OFFSET", "ON", "ONLY", "OPTIONS", "OR", "ORDER", "OUTER",
    "OVER", "OWNED", "PARTITION", "PAUSE", "PLACING", "PRECEDING", "PRECISION", "PREPARE",
    "PRIMARY", "PRIVILEGES", "RANGE", "READ", "REAL", "REASON", "RECURSIVE", "REFERENCES",
    "REJECTS", "RELEASE", "RESET", "RESTART", "RESTORE", "RESTRICT", "RESUME", "RETURNING",
    "REVOKE", "RIGHT", "ROLE", "ROLLBACK", "ROW", "ROWS", "SAVEPOINT", "SCHEMA", "SCHEMAS",
    "SELECT", "SEQUENCE", "SEQUENCES", "SERIAL", "SESSION", "SESSION_USER", "SET", "SETTING",
    "SETTINGS", "SHOW", "SIMILAR", "SMALLINT", "SOME", "START", "STORED", "STORING", "STRING",
    "SUBSTRING", "SYMMETRIC", "TABLE", "TABLES", "TEXT", "THEN", "TIME", "TIMESTAMP", "TIMESTAMPTZ",
    "TO", "TRAILING", "TRANSACTION", "TRIM", "TRUE", "TRUNCATE", "UNBOUNDED", "UNION", "UNIQUE",
    "UPDATE", "UPSERT", "USE", "USER", "USERS", "USING", "UUID", "VACUUM", "VALUES", "VARCHAR",
    "VARIADIC", "VARYING", "VERBOSE", "VIEW", "WHEN", "WHERE", "WINDOW", "WITH", "WITHOUT", "WORK",
    "ZONE",
];

/// Words that cannot be a name unless quoted, lower case and sorted.
#[rustfmt::skip]
pub const RESERVED: &[&str] = &[
    "all", "analyse", "analyze", "and", "any", "array", "as", "asc", "asymmetric", "both", "case",
    "cast", "check", "collate", "column", "constraint", "create", "current_catalog", "current_date",
    "current_role", "current_schema", "current_time", "current_timestamp", "current_user",
    "default", "deferrable", "desc", "distinct", "do", "else", "end", "except", "false", "fetch",
    "for", "foreign", "from", "grant", "group", "having", "in", "initially", "intersect", "into",
    "lateral", "leading", "limit", "localtime", "localtimestamp", "not", "null", "offset", "on",
    "only", "or", "order", "placing", "primary", "references", "returning", "select",
    "session_user", "some", "symmetric", "table", "then", "to", "trailing", "true", "union",
    "unique", "user", "using", "variadic", "when", "where", "window", "with",
];

/// Words besides the reserved ones that are quoted when printed as a name, lower case and sorted:
/// they mean something else in some expression, or start a table element.
#[rustfmt::skip]
const QUOTED: &[&str] = &[
    "authorization", "between", "bigint", "bit", "boolean", "char", "character", "coalesce",
    "collation", "concurrently", "cross", "dec", "decimal", "exists", "extract", "family", "float",
    "full", "greatest", "grouping", "if", "ifnull", "ilike", "index", "inner", "int", "integer",
    "interval", "inverted", "is", "isnull", "join", "least", "left", "like", "natural", "none",
    "nothing", "notnull", "nullif", "numeric", "out", "outer", "overlaps", "overlay", "position",
    "precision", "qualify", "real", "right", "row", "similar", "smallint", "string", "struct",
    "substring", "time", "timestamp", "timestamptz", "timetz", "treat", "trim", "values", "varbit",
    "varchar", "view", "virtual", "work",
];

/// Tells whether `word` is a keyword, in any case.
pub fn is_keyword(word: &str) -> bool {
    KEYWORDS.binary_search(&word.to_ascii_uppercase().as_str()).is_ok()
}

/// Tells whether the lower-case `word` must be quoted to be printed as a name.
pub(super) fn needs_quotes(word: &str) -> bool {
    RESERVED.binary_search(&word).is_ok() || QUOTED.binary_search(&word).is_ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_lists_are_sorted_and_hold_no_word_twice() {
        for list in [KEYWORDS, RESERVED, QUOTED] {
            for pair in list.windows(2) {
                assert!(pair[0] < pair[1], "{} stands before {}", pair[0], pair[1]);
            }
        }
    }

    #[test]
    fn the_grammar_reserves_the_same_words() {
        let path = concat!(env!("CARGO_MANIFEST_DIR"), "/grammar/lexical.pest");
        let grammar = include_str!(concat!(env!("CARGO_MANIFEST_DIR"), "/grammar/lexical.pest"));
        let rule = grammar.split("reserved_word = @{").nth(1).expect(path);
        let rule = rule.split('}').next().expect(path);
        let mut words: Vec<&str> = rule.split('"').skip(1).step_by(2).collect();
        words.sort_unstable();
        assert_eq!(words, RESERVED);
    }

    #[test]
    fn knows_keywords_in_any_case() {
        assert!(is_keyword("Select"));
        assert!(!is_keyword("wharf"));
    }
}
