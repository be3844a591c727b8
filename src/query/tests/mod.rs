//! Queries over tables in a store.

mod compiled;
mod failure;
mod function;
mod query;
mod value;

use std::sync::Arc;

use datafusion::arrow::array::{ArrayRef, RecordBatch};
use datafusion::arrow::datatypes::{Field, Schema};

use super::*;
use crate::catalog::{
    ColumnDescriptor, ColumnId, DatabaseDescriptor, DatabaseId, IndexDescriptor, IndexId, IndexKey,
    TableDescriptor, TableId,
};
use crate::error::{Error, Place, Result};
use crate::store::{Manifest, OpenOptions, RowIds, Segment, SegmentColumn, Store};
use crate::types::{self, SqlType};

/// A store with tables, and an engine over it.
struct Fixture {
    _directory: tempfile::TempDir,
    store: Arc<Store>,
    engine: Engine,
    runtime: tokio::runtime::Runtime,
    time_zone: String,
}

fn column(id: u32, name: &str, sql_type: &str, nullable: bool) -> ColumnDescriptor {
    ColumnDescriptor {
        id: ColumnId(id),
        name: name.to_owned(),
        sql_type: SqlType::parse(sql_type).unwrap(),
        nullable,
        default: None,
        computed: None,
    }
}

impl Fixture {
    fn new() -> Self {
        Self::with_memory(256 << 20)
    }

    fn with_memory(memory: usize) -> Self {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("shop");
        let store = Arc::new(Store::open(&path, &OpenOptions::default()).unwrap());
        store
            .update(|changes| {
                for (id, name) in [(100, "shop"), (101, "other")] {
                    changes.put_database(&DatabaseDescriptor {
                        id: DatabaseId(id),
                        name: name.into(),
                    })?;
                }
                Ok(())
            })
            .unwrap();
        Self {
            _directory: directory,
            store,
            engine: Engine::new(memory, 2).unwrap(),
            runtime: tokio::runtime::Builder::new_multi_thread()
                .worker_threads(2)
                .enable_all()
                .build()
                .unwrap(),
            time_zone: "UTC".into(),
        }
    }

    /// Makes a table from columns written `name TYPE` and segments of rows written `a|b`; `~` is NULL.
    /// The first column is the primary key if it is written `name TYPE KEY`.
    fn table(&self, database: u32, name: &str, columns: &str, segments: &[&[&str]]) -> TableId {
        let id = self.store.reserve_table().unwrap();
        let keyed = columns.split(", ").next().unwrap().ends_with(" KEY");
        let columns: Vec<ColumnDescriptor> = columns
            .split(", ")
            .zip(1..)
            .map(|(text, number)| {
                let text = text.trim_end_matches(" KEY");
                let (name, sql_type) = text.split_once(' ').unwrap();
                column(number, name, sql_type, !(keyed && number == 1))
            })
            .collect();
        let key = IndexDescriptor {
            id: IndexId::PRIMARY,
            name: "primary".into(),
            unique: true,
            constraint: true,
            key: vec![IndexKey { column: ColumnId(1), descending: false }],
            storing: Vec::new(),
        };
        let table = TableDescriptor {
            id,
            database: DatabaseId(database),
            name: name.into(),
            next_column: ColumnId(u32::try_from(columns.len()).unwrap() + 1),
            columns,
            primary_key: keyed.then_some(key),
            indexes: Vec::new(),
            checks: Vec::new(),
            foreign_keys: Vec::new(),
            next_index: IndexId(9),
            families: Vec::new(),
        };
        let mut first = 0;
        let segments: Vec<Arc<Segment>> = segments
            .iter()
            .map(|rows| {
                let mut segment = self.segment(&table, rows);
                if !keyed {
                    segment.rowids = Some(RowIds::Sequence { first });
                    first += i64::try_from(rows.len()).unwrap();
                }
                Arc::new(segment)
            })
            .collect();
        self.store.sync_table_directory(id).unwrap();
        self.store
            .update(|changes| {
                changes.put_table(&table)?;
                changes.put_manifest(
                    id,
                    Manifest { segments, next_rowid: first, ..Manifest::default() },
                )
            })
            .unwrap();
        id
    }

    fn segment(&self, table: &TableDescriptor, rows: &[&str]) -> Segment {
        let columns: Vec<SegmentColumn> = table
            .columns
            .iter()
            .map(|column| SegmentColumn {
                id: column.id,
                name: column.name.clone(),
                sql_type: column.sql_type.clone(),
                nullable: column.nullable,
            })
            .collect();
        let sorted: &[(usize, bool)] =
            if table.primary_key.is_some() { &[(0, false)] } else { &[] };
        let mut writer = self.store.create_segment(table.id, &columns, sorted).unwrap();
        let arrays: Vec<ArrayRef> = columns
            .iter()
            .enumerate()
            .map(|(position, column)| {
                let texts = rows.iter().map(|row| {
                    Some(row.split('|').nth(position).unwrap()).filter(|text| *text != "~")
                });
                let texts: ArrayRef =
                    Arc::new(texts.collect::<datafusion::arrow::array::StringViewArray>());
                types::to_storage(&column.sql_type, &texts).unwrap()
            })
            .collect();
        let fields: Vec<Field> = columns
            .iter()
            .map(|column| Field::new(&column.name, column.sql_type.storage(), column.nullable))
            .collect();
        let batch = RecordBatch::try_new(Arc::new(Schema::new(fields)), arrays).unwrap();
        writer.write(&batch).unwrap();
        writer.finish().unwrap()
    }

    fn context(&self) -> QueryContext {
        QueryContext {
            files: Arc::default(),
            sequences: Arc::default(),
            home: None,
            store: Arc::clone(&self.store),
            view: self.store.view(),
            database: "shop".into(),
            user: "alice".into(),
            // 2024-03-05 15:04:09.5 UTC
            now: 1_709_651_049_500_000,
            time_zone: self.time_zone.clone(),
        }
    }

    fn run(&self, sql: &str) -> Result<(Vec<String>, Vec<String>)> {
        let context = self.context();
        self.runtime.block_on(async {
            let rows = self.engine.run(&context, sql, 0).await?;
            let names = rows.schema().fields().iter().map(|field| field.name().clone()).collect();
            let mut lines = Vec::new();
            for batch in rows.collect().await? {
                for row in 0..batch.num_rows() {
                    let cells: Vec<String> = batch
                        .columns()
                        .iter()
                        .map(|array| {
                            let mut text = String::new();
                            if array.is_null(row) {
                                text.push('~');
                            }
                            types::print_value(array, row, &mut text);
                            text
                        })
                        .collect();
                    lines.push(cells.join("|"));
                }
            }
            Ok((names, lines))
        })
    }

    fn rows(&self, sql: &str) -> Vec<String> {
        self.run(sql).unwrap_or_else(|error| panic!("{sql}: {error:?}")).1
    }

    fn check(&self, sql: &str, expected: &str) {
        assert_eq!(self.rows(sql).join(" "), expected, "{sql}");
    }

    fn fail(&self, sql: &str, code: &str) -> Error {
        match self.run(sql) {
            Ok((_, rows)) => panic!("{sql}: expected {code}, got {rows:?}"),
            Err(error) => {
                assert_eq!(error.code().as_str(), code, "{sql}: {error:?}");
                error
            }
        }
    }

    /// Runs each query and tells of all that give something else.
    fn check_all<Q: AsRef<str>>(&self, cases: impl IntoIterator<Item = (Q, &'static str)>) {
        let wrong: Vec<String> = cases
            .into_iter()
            .filter_map(|(sql, expected)| {
                let sql = sql.as_ref();
                let found = match self.run(sql) {
                    Ok((_, rows)) => rows.join(" "),
                    Err(error) => format!("{error:?}"),
                };
                (found != expected).then(|| format!("{sql}\n   found {found}\n  wanted {expected}"))
            })
            .collect();
        assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    }

    /// Runs each query and tells of all that fail with another code.
    fn fail_all<Q: AsRef<str>>(&self, cases: impl IntoIterator<Item = (Q, &'static str)>) {
        let wrong: Vec<String> = cases
            .into_iter()
            .filter_map(|(sql, code)| {
                let sql = sql.as_ref();
                let found = match self.run(sql) {
                    Ok((_, rows)) => format!("{rows:?}"),
                    Err(error) if error.code().as_str() == code => return None,
                    Err(error) => format!("{error:?}"),
                };
                Some(format!("{sql}\n   found {found}\n  wanted {code}"))
            })
            .collect();
        assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    }

    fn explain(&self, sql: &str, options: ExplainOptions) -> String {
        let context = self.context();
        self.runtime.block_on(self.engine.explain(&context, sql, 0, options)).unwrap().join("\n")
    }
}

const UUIDS: [&str; 3] = [
    "00000000-0000-0000-0000-000000000001",
    "a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11",
    "ffffffff-ffff-ffff-ffff-ffffffffffff",
];
