//! The statements of the dialect, one topic each, in the order of the list.

use super::Topic;

const IMPORT_NOTES: &str = "\
The statement needs SET CLUSTER SETTING experimental.importcsv.enabled = true and the user root. The
table must not exist; it appears whole when every row is in, or not at all.

Formats:
  CSV          fields by position, or by the names of a header
  DELIMITED    as MySQL's SELECT ... INTO OUTFILE writes files
  PGCOPY       as PostgreSQL's COPY writes text
  JSON         an array of objects, or objects one after the other; fields by name
  NDJSON       an object per line; fields by name
  PARQUET      columns by name
  AVRO         containers, or bare records with a schema; fields by name

Options:
  temp = 'url'              where sorted runs are kept while the import runs (required, unless the
                            cluster setting import.default_temp is set)
  delimiter = 'c'           the character between fields (default , in CSV, a tab in PGCOPY);
                            e'\\t' is a tab
  comment = 'c'             lines that start with this character are passed over
  quote = 'c'               the character around fields (default \"); '' means that none is quoted
  escape = 'c'              the character that makes a quote text, besides doubling it
  nullif = 'text'           fields equal to this text are NULL, quoted or not
  skip = 'n'                records to pass over at the head of each file
  header = 'skip' | 'match' pass over the first record, or take the columns' names from it
  row_limit = 'n'           import only the first n rows of each file
  strict_quotes             refuse quotes inside fields that are not quoted
  lenient                   read what breaks the rules as well as can be
  on_error = 'fail' | 'skip'
                            leave out rows that cannot be imported, and list them
  reject = 'url'            write them to this file, and why to a second one, url.reasons.csv
  max_errors = 'n'          fail with more such rows
  experimental_save_rejected
                            write them to a file beside each data file, name.rejected
  dry_run                   tell what would happen, and change nothing
  encoding = 'name'         how the text is encoded (default utf-8), such as latin1 or utf-16le
  decompress = 'auto' | 'none' | 'gzip' | 'bzip' | 'zstd' | 'xz'
                            how files are compressed (default auto: by their names)
  sstsize = 'size'          accepted for CockroachDB's sake, without effect
  keep_temp                 leave the files in temp where they are
  disable_glob_matching     take *, ? and [ in the names of files for themselves
  detached                  return when the job has begun, with its number
  ignore_unknown_fields     pass over fields that the table lacks (JSON, NDJSON, PARQUET)
  max_row_size = 'size'     the most bytes of a line of PGCOPY or a record of AVRO
Of DELIMITED alone:
  fields_terminated_by = 'c', rows_terminated_by = 'c'
                            what stands behind fields and rows (default a tab, a line feed)
  fields_enclosed_by = 'c'  what fields may stand between
  fields_escaped_by = 'c'   what takes the meaning from the next character; with N it means NULL
Of AVRO alone:
  strict_validation         refuse fields that the table lacks, and files that lack a column
  data_as_binary_records, data_as_json_records
                            the files hold bare records, whose schema is told by
  schema = 'json' | schema_uri = 'url'
  records_terminated_by = 'c'
                            what stands behind each bare record (default a line feed)";

const IMPORT_INTO_NOTES: &str = "\
The statement needs the INSERT and DROP privileges on the table; only root may name local files, web
servers and clouds without credentials in the URL. All rows are added, or none. Columns that are not
listed take their DEFAULT.

Options besides those of IMPORT TABLE, of which temp may be left out:
  mode = 'insert' | 'upsert' | 'skip' | 'replace'
                            rows whose primary key exists: an error (default), replace the old row,
                            are left out; or all old rows go
  nullif = 'text'           unquoted fields equal to this text are NULL; without it empty ones
  allow_quoted_null         quoted fields can be NULL too";

const DUMP_NOTES: &str = "\
All tables of the dump appear with their rows, keys, indexes and constraints, or none does. The user
must be root, and none of the tables may exist.

Options:
  skip_foreign_keys         make the tables without their foreign keys
  row_limit = 'n'           take only the first n rows of each table
  max_row_size = 'size'     refuse rows and statements that are longer
  ignore_unsupported_statements
                            pass over statements that Wharf cannot do, and tell which
  log_ignored_statements = 'url'
                            the directory where such statements are written
  decompress = 'auto' | 'none' | 'gzip' | 'bzip' | 'zstd' | 'xz'
                            how the dump is compressed (default auto: by its name)
  temp = 'url'              where temporary files go (default: the database directory)";

const EXPORT_NOTES: &str = "\
It needs SELECT on the tables, and the user root if the place is on this machine. The files appear
together when the last row is written, or not at all; they are never mixed with older ones of the
same names.

Options:
  delimiter = 'c'           the character between fields of CSV (default ,); e'\\t' is a tab
  nullas = 'text'           what stands for NULL in CSV; without it NULL is an error
  header                    start each CSV file with the names of the columns
  chunk_rows = 'n'          the most rows of a file (default 100000)
  chunk_size = 'size'       a file ends with the row that reaches this size (default 32MiB)
  compression = 'none' | 'gzip' | 'zstd' | 'snappy'
                            text by gzip or zstd (default none), PARQUET by snappy (default) or zstd
  filename = 'name'         the files' names: %part% becomes n1.0, n1.1 and so on; without it there
                            is one file
  overwrite                 replace files that exist
  detached                  return when the job has begun, with its number

An export is a job: see PAUSE JOB, RESUME JOB and CANCEL JOB. One that was paused begins again.";

const COPY_NOTES: &str = "\
COPY FROM does what IMPORT INTO does, COPY TO what EXPORT does, with their privileges. In the shell \\copy does the
same, and the file needs no quotes. Columns that are computed are not copied unless a query asks.
COPY FROM STDIN inserts the lines that follow it, up to a line of \\.; it reads text and csv.

Options:
  FORMAT                    text (default), csv, json, ndjson or parquet; the last three also by the
                            suffix of the file
  DELIMITER 'c'             the character between fields (default a tab, in CSV a comma)
  NULL 'text'               what stands for NULL (default \\N, in CSV nothing)
  HEADER [true | false | match]
                            the file starts with the names of the columns
  QUOTE 'c'                 the quote of CSV (default \")
  ESCAPE 'c'                what stands before a quote inside quotes (default the quote)
  FORCE_QUOTE { * | (columns) }
                            quote these columns whatever they hold
  FORCE_NULL *              COPY FROM: quoted fields can be NULL too
  ON_ERROR stop | ignore    COPY FROM: what happens to rows that cannot be read
  REJECT_LIMIT n            COPY FROM: how many such rows are too many
  ENCODING 'utf8'           files are UTF-8
  COMPRESSION               COPY TO: none, gzip, zstd, snappy; otherwise by the suffix .gz or .zst
  OVERWRITE [true | false]  COPY TO: replace the file if it exists";

/// Every topic.
pub(crate) const TOPICS: &[Topic] = &[
    Topic {
        name: "IMPORT TABLE",
        summary: "make a table out of files",
        synopsis: "IMPORT TABLE name { CREATE USING 'url' | ( element [, ...] ) }
{ CSV | DELIMITED | PGCOPY | JSON | NDJSON | PARQUET | AVRO } DATA ( 'url' [, ...] )
WITH temp = 'url' [, option [= 'value']] [, ...]",
        notes: IMPORT_NOTES,
        example: "IMPORT TABLE customers (id UUID PRIMARY KEY, name STRING, INDEX name_idx (name))
CSV DATA ('customers.csv')
WITH temp = 'tmp', delimiter = '|', comment = '#', nullif = '';",
    },
    Topic {
        name: "IMPORT INTO",
        summary: "add the rows of files to a table",
        synopsis: "IMPORT INTO name [ ( column [, ...] ) ]
{ CSV | DELIMITED | PGCOPY | JSON | NDJSON | PARQUET | AVRO } DATA ( 'url' [, ...] )
[WITH option [= 'value'] [, ...]]",
        notes: IMPORT_INTO_NOTES,
        example: "IMPORT INTO customers (id, name) CSV DATA ('more.csv') WITH mode = 'upsert';",
    },
    Topic {
        name: "IMPORT PGDUMP",
        summary: "make the tables of a dump",
        synopsis: "IMPORT [TABLE name FROM] { PGDUMP | MYSQLDUMP } 'url'
[WITH option [= 'value'] [, ...]]",
        notes: DUMP_NOTES,
        example: "IMPORT PGDUMP 'shop.sql' WITH ignore_unsupported_statements;",
    },
    Topic {
        name: "EXPORT",
        summary: "write rows to files",
        synopsis: "EXPORT INTO { CSV | PARQUET | JSON | NDJSON } 'url'
[WITH option [= 'value'] [, ...]]
FROM { query | TABLE name }",
        notes: EXPORT_NOTES,
        example: "EXPORT INTO CSV 'backup' WITH nullas = 'NULL', header, filename = 'customers.csv'
FROM SELECT * FROM customers ORDER BY id;",
    },
    Topic {
        name: "COPY",
        summary: "read or write a file, as in PostgreSQL",
        synopsis: "COPY table [( column [, ...] )] FROM { 'file' | STDIN } [[WITH] ( option [value] [, ...] )]
COPY { table [( column [, ...] )] | ( query ) } TO { 'file' | STDOUT }
[[WITH] ( option [value] [, ...] )]",
        notes: COPY_NOTES,
        example: "COPY customers TO 'customers.csv' WITH (FORMAT csv, HEADER);",
    },
    Topic {
        name: "CREATE TABLE",
        summary: "make an empty table",
        synopsis: "CREATE TABLE [IF NOT EXISTS] name ( element [, ...] )
CREATE TABLE [IF NOT EXISTS] name AS query

element:
  column type [COLLATE name] [NULL | NOT NULL] [PRIMARY KEY] [UNIQUE]
         [DEFAULT expr] [CHECK (expr)] [REFERENCES table [(column)]] [AS (expr) STORED]
  [CONSTRAINT name] { PRIMARY KEY (columns) | UNIQUE (columns) | CHECK (expr)
                    | FOREIGN KEY (columns) REFERENCES table [(columns)] }
  [UNIQUE] INDEX [name] (column [ASC | DESC] [, ...]) [STORING (columns)]",
        notes: "Types: BOOL, INT2, INT4, INT8, FLOAT4, FLOAT8, DECIMAL(p, s), STRING, VARCHAR(n), CHAR(n),
BYTES, DATE, TIME, TIMESTAMP, TIMESTAMPTZ, INTERVAL, UUID, INET, JSONB, and arrays of them.",
        example: "CREATE TABLE orders (id INT PRIMARY KEY, total DECIMAL(10, 2) CHECK (total >= 0));",
    },
    Topic {
        name: "DROP TABLE",
        summary: "remove tables and their rows",
        synopsis: "DROP TABLE [IF EXISTS] name [, ...] [CASCADE | RESTRICT]",
        notes: "",
        example: "DROP TABLE IF EXISTS orders;",
    },
    Topic {
        name: "CREATE INDEX",
        summary: "build an index of a table",
        synopsis: "CREATE [UNIQUE] INDEX [CONCURRENTLY] [[IF NOT EXISTS] name] ON table [USING btree]
( column [ASC | DESC] [, ...] ) [{ STORING | COVERING | INCLUDE } ( column [, ...] )]
[WITH detached]",
        notes: "\
The statement needs the CREATE privilege on the table. It is a job: SHOW JOBS tells how far it is, and
the index appears whole or not at all. Meanwhile the table can be read, and not be changed.

Options:
  detached                  return when the job has begun, with its number",
        example: "CREATE INDEX name_idx ON customers (name) STORING (email);",
    },
    Topic {
        name: "DROP INDEX",
        summary: "remove indexes",
        synopsis: "DROP INDEX [CONCURRENTLY] [IF EXISTS] { table@index | index } [, ...] [CASCADE | RESTRICT]",
        notes: "\
The statement needs the CREATE privilege on the table. The index of a UNIQUE constraint falls with
CASCADE alone, and so does one on which foreign keys rest, with these.",
        example: "DROP INDEX customers@name_idx;",
    },
    Topic {
        name: "CREATE SEQUENCE",
        summary: "make a sequence of numbers",
        synopsis: "CREATE SEQUENCE [IF NOT EXISTS] name [option ...]

option:
  AS { SMALLINT | INTEGER | BIGINT } | INCREMENT [BY] n | START [WITH] n | CACHE n
  MINVALUE n | NO MINVALUE | MAXVALUE n | NO MAXVALUE | CYCLE | NO CYCLE
  OWNED BY { table.column | NONE }",
        notes: "nextval('name') gives the next number, currval('name') the last one of this session, lastval()
that of any sequence; setval('name', n [, is_called]) sets it. No number is given twice, and none is
taken back. A sequence is dropped with the column that owns it.",
        example: "CREATE SEQUENCE invoice_number START WITH 1000;",
    },
    Topic {
        name: "ALTER SEQUENCE",
        summary: "change a sequence",
        synopsis: "ALTER SEQUENCE [IF EXISTS] name { option | RESTART [[WITH] n] } [...]",
        notes: "The options are those of CREATE SEQUENCE.",
        example: "ALTER SEQUENCE invoice_number RESTART WITH 2000;",
    },
    Topic {
        name: "DROP SEQUENCE",
        summary: "remove sequences",
        synopsis: "DROP SEQUENCE [IF EXISTS] name [, ...] [CASCADE | RESTRICT]",
        notes: "A sequence that a DEFAULT uses is removed with CASCADE only, and the DEFAULT with it.",
        example: "DROP SEQUENCE IF EXISTS invoice_number;",
    },
    Topic {
        name: "CREATE DATABASE",
        summary: "make an empty database",
        synopsis: "CREATE DATABASE [IF NOT EXISTS] name",
        notes: "",
        example: "CREATE DATABASE shop;",
    },
    Topic {
        name: "DROP DATABASE",
        summary: "remove a database",
        synopsis: "DROP DATABASE [IF EXISTS] name [CASCADE | RESTRICT]",
        notes: "A database that holds tables is removed with CASCADE only.",
        example: "DROP DATABASE shop CASCADE;",
    },
    Topic {
        name: "USE",
        summary: "change the current database",
        synopsis: "USE name\nSET DATABASE = name",
        notes: "",
        example: "USE shop;",
    },
    Topic {
        name: "INSERT",
        summary: "add rows to a table",
        synopsis: "INSERT INTO table [( column [, ...] )] { VALUES ( value [, ...] ) [, ...] | query }
INSERT INTO table DEFAULT VALUES",
        notes: "A value may be DEFAULT. Columns that are not listed take their DEFAULT, or NULL.",
        example: "INSERT INTO orders (id, total) VALUES (1, 9.90), (2, DEFAULT);",
    },
    Topic {
        name: "SELECT",
        summary: "query tables",
        synopsis: "[WITH [RECURSIVE] name [( column [, ...] )] AS ( query ) [, ...]]
SELECT [DISTINCT [ON ( expr [, ...] )]] expr [[AS] name] [, ...]
  [FROM table [[AS] alias] [, ...]]
  [[INNER | LEFT | RIGHT | FULL | CROSS] JOIN table [ON expr | USING ( columns )]]
  [WHERE expr] [GROUP BY expr [, ...]] [HAVING expr]
  [{ UNION | INTERSECT | EXCEPT } [ALL] query]
  [ORDER BY expr [ASC | DESC] [NULLS { FIRST | LAST }] [, ...]]
  [LIMIT count] [OFFSET start]",
        notes: "A file in single quotes may stand in place of a table: SELECT * FROM 'people.csv'. Its columns and
their types are guessed from its first rows, unless it is of Parquet.",
        example: "SELECT name, count(*) FROM orders GROUP BY name ORDER BY 2 DESC LIMIT 10;",
    },
    Topic {
        name: "VALUES",
        summary: "give rows that are written out",
        synopsis: "VALUES ( expr [, ...] ) [, ...]",
        notes: "",
        example: "VALUES (1, 'one'), (2, 'two');",
    },
    Topic {
        name: "TABLE",
        summary: "give all rows of a table",
        synopsis: "TABLE name",
        notes: "",
        example: "TABLE orders;",
    },
    Topic {
        name: "EXPLAIN",
        summary: "show how a query is run",
        synopsis: "EXPLAIN [ANALYZE | VERBOSE] statement",
        notes: "ANALYZE runs the statement and shows what happened.",
        example: "EXPLAIN SELECT * FROM orders WHERE id = 1;",
    },
    Topic {
        name: "CREATE USER",
        summary: "make a user",
        synopsis: "CREATE USER [IF NOT EXISTS] name",
        notes: "",
        example: "CREATE USER maxroach;",
    },
    Topic {
        name: "DROP USER",
        summary: "remove users",
        synopsis: "DROP USER [IF EXISTS] name [, ...]",
        notes: "",
        example: "DROP USER maxroach;",
    },
    Topic {
        name: "GRANT",
        summary: "give privileges to users",
        synopsis: "GRANT { ALL | privilege [, ...] } ON [TABLE | SEQUENCE] name [, ...] TO user [, ...]
GRANT { ALL | privilege [, ...] } ON DATABASE name [, ...] TO user [, ...]",
        notes: "Privileges: CREATE, DROP, GRANT, SELECT, INSERT, DELETE, UPDATE.",
        example: "GRANT SELECT, INSERT ON orders TO maxroach;",
    },
    Topic {
        name: "REVOKE",
        summary: "take privileges from users",
        synopsis: "REVOKE { ALL | privilege [, ...] } ON [TABLE | SEQUENCE] name [, ...] FROM user [, ...]
REVOKE { ALL | privilege [, ...] } ON DATABASE name [, ...] FROM user [, ...]",
        notes: "",
        example: "REVOKE INSERT ON orders FROM maxroach;",
    },
    Topic {
        name: "SHOW DATABASES",
        summary: "list databases",
        synopsis: "SHOW DATABASES",
        notes: "",
        example: "SHOW DATABASES;",
    },
    Topic {
        name: "SHOW TABLES",
        summary: "list tables",
        synopsis: "SHOW TABLES [FROM database]",
        notes: "",
        example: "SHOW TABLES;",
    },
    Topic {
        name: "SHOW SEQUENCES",
        summary: "list sequences",
        synopsis: "SHOW SEQUENCES [FROM database]",
        notes: "",
        example: "SHOW SEQUENCES;",
    },
    Topic {
        name: "SHOW SCHEMAS",
        summary: "list schemas",
        synopsis: "SHOW SCHEMAS",
        notes: "",
        example: "SHOW SCHEMAS;",
    },
    Topic {
        name: "SHOW COLUMNS",
        summary: "describe the columns of a table",
        synopsis: "SHOW COLUMNS FROM table\nDESCRIBE table",
        notes: "",
        example: "SHOW COLUMNS FROM orders;",
    },
    Topic {
        name: "SHOW INDEXES",
        summary: "list the indexes of a table",
        synopsis: "SHOW { INDEXES | INDEX | KEYS } FROM table",
        notes: "",
        example: "SHOW INDEXES FROM orders;",
    },
    Topic {
        name: "SHOW CONSTRAINTS",
        summary: "list the constraints of a table",
        synopsis: "SHOW CONSTRAINTS FROM table",
        notes: "",
        example: "SHOW CONSTRAINTS FROM orders;",
    },
    Topic {
        name: "SHOW CREATE TABLE",
        summary: "print the statement that makes a table",
        synopsis: "SHOW CREATE [TABLE] table\nSHOW CREATE [SEQUENCE] sequence",
        notes: "",
        example: "SHOW CREATE TABLE orders;",
    },
    Topic {
        name: "SHOW JOBS",
        summary: "list imports, exports and index builds",
        synopsis: "SHOW JOBS [query]\nSHOW JOB id\nSHOW JOBS WHEN COMPLETE (query)\nSHOW JOB WHEN COMPLETE id\nSHOW REJECTS FOR JOB id",
        notes: "The query gives the ids of jobs in its first column. WHEN COMPLETE waits until the jobs have stopped. SHOW REJECTS lists the rows that an import with on_error = 'skip' left out.",
        example: "SHOW JOBS;",
    },
    Topic {
        name: "PAUSE JOB",
        summary: "stop a job, to go on later",
        synopsis: "PAUSE { JOB id | JOBS (query) | ALL type JOBS } [WITH REASON = 'text']",
        notes: "",
        example: "PAUSE ALL IMPORT JOBS;",
    },
    Topic {
        name: "RESUME JOB",
        summary: "let a paused job go on",
        synopsis: "RESUME { JOB id | JOBS (query) | ALL type JOBS }",
        notes: "",
        example: "RESUME ALL IMPORT JOBS;",
    },
    Topic {
        name: "CANCEL JOB",
        summary: "stop a job for good",
        synopsis: "CANCEL { JOB id | JOBS (query) | ALL type JOBS }",
        notes: "Nothing of the job is left but its record.",
        example: "CANCEL ALL IMPORT JOBS;",
    },
    Topic {
        name: "SHOW USERS",
        summary: "list users",
        synopsis: "SHOW USERS",
        notes: "",
        example: "SHOW USERS;",
    },
    Topic {
        name: "SHOW GRANTS",
        summary: "list privileges",
        synopsis: "SHOW GRANTS [ON { [TABLE] name | DATABASE name } [, ...]] [FOR user [, ...]]",
        notes: "",
        example: "SHOW GRANTS ON orders;",
    },
    Topic {
        name: "SHOW CLUSTER SETTING",
        summary: "print settings of the database directory",
        synopsis: "SHOW CLUSTER SETTING name\nSHOW ALL CLUSTER SETTINGS",
        notes: "",
        example: "SHOW CLUSTER SETTING experimental.importcsv.enabled;",
    },
    Topic {
        name: "SHOW",
        summary: "print a session variable",
        synopsis: "SHOW name\nSHOW ALL",
        notes: "",
        example: "SHOW timezone;",
    },
    Topic {
        name: "SET CLUSTER SETTING",
        summary: "change a setting of the database directory",
        synopsis: "SET CLUSTER SETTING name = { value | DEFAULT }\nRESET CLUSTER SETTING name",
        notes: "",
        example: "SET CLUSTER SETTING experimental.importcsv.enabled = true;",
    },
    Topic {
        name: "SET",
        summary: "change a session variable",
        synopsis: "SET [SESSION | LOCAL] name { = | TO } { value | DEFAULT }\nRESET { name | ALL }",
        notes: "",
        example: "SET timezone = 'Europe/Berlin';",
    },
    Topic {
        name: "BEGIN",
        summary: "start a transaction",
        synopsis: "BEGIN [TRANSACTION]\nSTART TRANSACTION",
        notes: "",
        example: "BEGIN;",
    },
    Topic {
        name: "COMMIT",
        summary: "end a transaction and keep its changes",
        synopsis: "COMMIT\nEND",
        notes: "",
        example: "COMMIT;",
    },
    Topic {
        name: "ROLLBACK",
        summary: "end a transaction and undo its changes",
        synopsis: "ROLLBACK\nABORT",
        notes: "",
        example: "ROLLBACK;",
    },
];
