//! Sorting against an oracle: rows compared key by key by Arrow's own encoder.

#![expect(
    clippy::cast_possible_truncation,
    clippy::cast_precision_loss,
    clippy::needless_for_each,
    clippy::too_many_lines,
    reason = "values of tests are small, and their lists are long"
)]

use std::sync::Arc;

use arrow::array::{
    ArrayRef, AsArray, BinaryArray, BooleanArray, Date32Array, Decimal128Array,
    FixedSizeBinaryArray, Float64Array, Int16Array, Int32Array, Int64Array, ListArray, RecordBatch,
    StringViewArray,
};
use arrow::compute::concat_batches;
use arrow::datatypes::{DataType, Field, Int32Type, Int64Type, Schema};
use proptest::prelude::*;
use proptest::test_runner::TestRng;

use super::*;
use crate::catalog::ColumnId;
use crate::job::run::RunReader;
use crate::source::{Access, AccessOptions, Location, TempDirectory};
use crate::store::SegmentColumn;
use crate::types::SqlType;

/// The types of the columns that rows of the tests have.
const TYPES: &[&str] = &[
    "int8",
    "int4",
    "int2",
    "bool",
    "decimal(15,2)",
    "decimal(38,4)",
    "date",
    "float8",
    "uuid",
    "text",
    "bytes",
    "int8[]",
    "text",
];

fn columns() -> Vec<SegmentColumn> {
    let of = |(number, name): (usize, &&str)| SegmentColumn {
        id: ColumnId(u32::try_from(number).unwrap() + 1),
        name: format!("c{number}"),
        sql_type: SqlType::parse(name).unwrap(),
        nullable: true,
    };
    TYPES.iter().enumerate().map(of).collect()
}

/// Returns rows of all types, whose values repeat, with NULLs if asked for.
fn rows(rng: &mut TestRng, count: usize, nulls: bool) -> RecordBatch {
    let mut number = |limit: u64| rng.next_u64() % limit;
    let mut values = |limit: u64| -> Vec<Option<i64>> {
        (0..count)
            .map(|_| {
                let value = number(limit).cast_signed() - limit.cast_signed() / 2;
                (!nulls || number(5) > 0).then_some(value)
            })
            .collect()
    };
    let short =
        |value: i64| "abcdefghijkl"[..usize::try_from(value.abs() % 13).unwrap()].to_owned();
    let long = |value: i64| format!("some text before {value}");
    let arrays: Vec<ArrayRef> = vec![
        Arc::new(Int64Array::from(values(1 << 40))),
        Arc::new(values(50).into_iter().map(|v| v.map(|v| v as i32)).collect::<Int32Array>()),
        Arc::new(values(9).into_iter().map(|v| v.map(|v| v as i16)).collect::<Int16Array>()),
        Arc::new(values(2).into_iter().map(|v| v.map(|v| v < 0)).collect::<BooleanArray>()),
        Arc::new(
            values(1000)
                .into_iter()
                .map(|v| v.map(i128::from))
                .collect::<Decimal128Array>()
                .with_precision_and_scale(15, 2)
                .unwrap(),
        ),
        Arc::new(
            values(1000)
                .into_iter()
                .map(|v| v.map(|v| i128::from(v) << 70))
                .collect::<Decimal128Array>()
                .with_precision_and_scale(38, 4)
                .unwrap(),
        ),
        Arc::new(values(400).into_iter().map(|v| v.map(|v| v as i32)).collect::<Date32Array>()),
        Arc::new(
            values(7).into_iter().map(|v| v.map(|v| v as f64 / 2.0)).collect::<Float64Array>(),
        ),
        Arc::new(
            FixedSizeBinaryArray::try_from_sparse_iter_with_size(
                values(30).into_iter().map(|v| v.map(|v| i128::from(v).to_be_bytes())),
                16,
            )
            .unwrap(),
        ),
        Arc::new(values(40).into_iter().map(|v| v.map(short)).collect::<StringViewArray>()),
        Arc::new(
            values(40)
                .into_iter()
                .map(|v| v.map(|v| long(v).into_bytes()))
                .collect::<BinaryArray>(),
        ),
        Arc::new(ListArray::from_iter_primitive::<Int64Type, _, _>(
            values(20).into_iter().map(|v| v.map(|v| vec![Some(v), None])),
        )),
        Arc::new(values(400).into_iter().map(|v| v.map(long)).collect::<StringViewArray>()),
    ];
    let fields: Vec<Field> = columns()
        .iter()
        .zip(&arrays)
        .map(|(column, array)| {
            assert_eq!(column.sql_type.storage(), *array.data_type(), "{}", column.name);
            Field::new(&column.name, array.data_type().clone(), true)
        })
        .collect();
    RecordBatch::try_new(Arc::new(Schema::new(fields)), arrays).unwrap()
}

/// Returns the rows in key order, equal ones as they stand, sorted by Arrow's keys.
fn oracle(encoder: &KeyEncoder, batch: &RecordBatch) -> RecordBatch {
    let keys = encoder.encode(batch).unwrap();
    let mut order: Vec<u32> = (0..batch.num_rows() as u32).collect();
    order.sort_by(|left, right| keys.row(*left as usize).cmp(&keys.row(*right as usize)));
    let order = arrow::array::UInt32Array::from(order);
    arrow::compute::take_record_batch(batch, &order).unwrap()
}

fn space(base: &std::path::Path, memory: u64) -> Arc<RunSpace> {
    let access = Access::new(AccessOptions {
        external_io_directory: Some(base.to_owned()),
        working_directory: base.to_owned(),
    });
    let temp: TempDirectory = access.temp_directory(&Location::parse("runs").unwrap(), 1).unwrap();
    RunSpace::new(Arc::new(temp), memory)
}

/// Returns all rows of a run.
fn read(run: &Run) -> RecordBatch {
    let mut buffer = RowBuffer::new(run.schema()).unwrap();
    let mut reader: RunReader<'_> = run.read_from(None, None).unwrap();
    while let Some(rows) = reader.advance().unwrap() {
        buffer.take(reader.block(), rows, 0..rows).unwrap();
    }
    let all: Vec<u32> = (0..buffer.rows() as u32).collect();
    buffer.gather(&all).unwrap()
}

fn check(key: &[(usize, bool)], seed: u64, nulls: bool, memory: u64) {
    let mut rng = TestRng::from_seed(proptest::test_runner::RngAlgorithm::ChaCha, &{
        let mut bytes = [0; 32];
        bytes[..8].copy_from_slice(&seed.to_le_bytes());
        bytes
    });
    let columns = columns();
    let encoder = Arc::new(KeyEncoder::new(&columns, key).unwrap());
    let batches: Vec<RecordBatch> =
        [700, 1, 1300].iter().map(|count| rows(&mut rng, *count, nulls).slice(0, *count)).collect();
    let all = concat_batches(&batches[0].schema(), &batches).unwrap();
    let expected = oracle(&encoder, &all);
    // In memory: every row, equal keys as they stood.
    let base = tempfile::tempdir().unwrap();
    let space = space(base.path(), memory);
    let mut sorter = Sorter::new(Arc::clone(&encoder), Arc::clone(&space), 64 << 20);
    batches.iter().for_each(|batch| sorter.push(batch).unwrap());
    let Sorted::Batches(sorted) = sorter.finish_in_memory().unwrap() else { panic!("no runs") };
    assert_eq!(concat_batches(&all.schema(), &sorted).unwrap(), expected);
    // As a run: one row of each key, and the keys of the others.
    let mut sorter = Sorter::new(Arc::clone(&encoder), Arc::clone(&space), 64 << 20);
    batches.iter().for_each(|batch| sorter.push(&batch.slice(0, batch.num_rows())).unwrap());
    let runs = sorter.finish().unwrap();
    assert_eq!(runs.len(), 1);
    let keys = encoder.encode(&expected).unwrap();
    let first: Vec<u32> = (0..keys.num_rows())
        .filter(|&row| row == 0 || keys.row(row - 1) != keys.row(row))
        .map(|row| row as u32)
        .collect();
    let again: Vec<Vec<u8>> = (1..keys.num_rows())
        .filter(|&row| keys.row(row - 1) == keys.row(row))
        .map(|row| keys.row(row).as_ref().to_vec())
        .collect();
    let mut again = again;
    again.dedup();
    again.truncate(MOST_DUPLICATES);
    let first = arrow::array::UInt32Array::from(first);
    let distinct = arrow::compute::take_record_batch(&expected, &first).unwrap();
    assert_eq!(read(&runs[0]), distinct);
    assert_eq!(runs[0].duplicates(), again);
    assert_eq!(runs[0].first(), keys.row(0).as_ref());
    assert_eq!(runs[0].last(), keys.row(keys.num_rows() - 1).as_ref());
    drop(runs);
    drop(space);
}

#[test]
fn sorts_by_each_type() {
    for column in 0..TYPES.len() {
        for descending in [false, true] {
            for nulls in [false, true] {
                check(&[(column, descending)], 1, nulls, 1 << 30);
            }
        }
    }
}

#[test]
fn sorts_by_packed_keys_of_every_width() {
    check(&[(1, false), (2, true)], 2, true, 0);
    check(&[(0, true), (1, false)], 3, true, 0);
    check(&[(0, false), (9, true)], 4, true, 1 << 20);
    check(&[(5, false), (9, true)], 5, false, 0);
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(48))]

    #[test]
    fn sorts_by_any_key(
        key in proptest::collection::vec((0..TYPES.len(), any::<bool>()), 1..4),
        seed: u64,
        nulls: bool,
        memory in prop_oneof![Just(0), Just(100_000), Just(1 << 30)],
    ) {
        let mut key = key;
        key.sort_unstable();
        key.dedup_by_key(|part| part.0);
        check(&key, seed, nulls, memory);
    }
}

#[test]
fn keeps_slices_and_views() {
    let mut rng = TestRng::deterministic_rng(proptest::test_runner::RngAlgorithm::ChaCha);
    let batch = rows(&mut rng, 50, true);
    let mut buffer = RowBuffer::new(&batch.schema()).unwrap();
    buffer.append(&batch.slice(7, 20)).unwrap();
    buffer.append(&batch.slice(0, 0)).unwrap();
    let order: Vec<u32> = (0..20).rev().collect();
    let gathered = buffer.gather(&order).unwrap();
    assert_eq!(gathered.slice(19, 1), batch.slice(7, 1));
    let mut block = Vec::new();
    buffer.put(&order, &mut block);
    let mut back = RowBuffer::new(&batch.schema()).unwrap();
    for rows in [5..9, 0..20, 19..20] {
        back.take(&block, 20, rows).unwrap();
    }
    let all: Vec<u32> = (0..25).collect();
    let back = back.gather(&all).unwrap();
    assert_eq!(back.slice(4, 20), gathered);
    assert_eq!(back.slice(0, 4), gathered.slice(5, 4));
    assert_eq!(back.column(1).as_primitive::<Int32Type>().len(), 25);
    assert_eq!(*back.column(0).data_type(), DataType::Int64);
}
