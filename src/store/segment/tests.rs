//! Tests of segment files: every type there and back, damage, pruning.

use std::ops::Range;
use std::sync::Arc;

use arrow::array::{
    Array, ArrayRef, AsArray, BinaryArray, BooleanArray, Date32Array, Decimal128Array,
    Decimal256Array, FixedSizeBinaryArray, Float32Array, Float64Array, Int16Array, Int32Array,
    Int64Array, ListArray, RecordBatch, StringViewArray, Time64MicrosecondArray,
    TimestampMicrosecondArray,
};
use arrow::buffer::{NullBuffer, OffsetBuffer};
use arrow::compute::concat_batches;
use arrow::datatypes::{DataType, Field, Int64Type, Schema, i256};
use proptest::prelude::*;

use super::{ColumnRange, ScanRequest, SegmentColumn};
use crate::catalog::{ColumnId, TableId};
use crate::error::{Result, SqlState};
use crate::store::{OpenOptions, RowIds, Segment, Store};
use crate::types::SqlType;

const TABLE: TableId = TableId(1);

fn store() -> (tempfile::TempDir, Store) {
    let directory = tempfile::tempdir().unwrap();
    let store = Store::open(&directory.path().join("db"), &OpenOptions::default()).unwrap();
    (directory, store)
}

fn columns(types: &[SqlType]) -> Vec<SegmentColumn> {
    let column = |(index, sql_type): (usize, &SqlType)| SegmentColumn {
        id: ColumnId(u32::try_from(index).unwrap() + 1),
        name: format!("c{}", index + 1),
        sql_type: sql_type.clone(),
        nullable: true,
    };
    types.iter().enumerate().map(column).collect()
}

fn batch(columns: &[SegmentColumn], arrays: Vec<ArrayRef>) -> RecordBatch {
    let fields: Vec<Field> =
        columns.iter().map(|c| Field::new(&c.name, c.sql_type.storage(), true)).collect();
    RecordBatch::try_new(Arc::new(Schema::new(fields)), arrays).unwrap()
}

fn write(store: &Store, columns: &[SegmentColumn], batches: &[RecordBatch], key: bool) -> Segment {
    let sorted_by: &[(usize, bool)] = if key { &[(0, false)] } else { &[] };
    let mut writer = store.create_segment(TABLE, columns, sorted_by).unwrap();
    for batch in batches {
        writer.write(batch).unwrap();
    }
    writer.finish().unwrap()
}

fn request(columns: &[SegmentColumn]) -> ScanRequest {
    ScanRequest { columns: columns.iter().map(|c| c.id).collect(), ..ScanRequest::default() }
}

fn read(
    store: &Store,
    segment: &Arc<Segment>,
    columns: &[SegmentColumn],
    request: &ScanRequest,
) -> Result<RecordBatch> {
    let scan = store.scan(TABLE, segment, columns, request)?;
    let schema = Arc::clone(scan.schema());
    let batches = scan.collect::<Result<Vec<_>>>()?;
    Ok(concat_batches(&schema, &batches).unwrap())
}

/// Returns three values of a type in storage form: usual, NULL, extreme.
fn values(sql_type: &SqlType) -> ArrayRef {
    let fixed = |last: [u8; 16]| {
        let values = [Some([1u8; 16]), None, Some(last)];
        Arc::new(
            FixedSizeBinaryArray::try_from_sparse_iter_with_size(values.into_iter(), 16).unwrap(),
        )
    };
    match sql_type {
        SqlType::Bool => Arc::new(BooleanArray::from(vec![Some(false), None, Some(true)])),
        SqlType::Int2 => Arc::new(Int16Array::from(vec![Some(i16::MIN), None, Some(i16::MAX)])),
        SqlType::Int4 => Arc::new(Int32Array::from(vec![Some(i32::MIN), None, Some(i32::MAX)])),
        SqlType::Int8 => Arc::new(Int64Array::from(vec![Some(i64::MIN), None, Some(i64::MAX)])),
        SqlType::Float4 => Arc::new(Float32Array::from(vec![Some(-0.5), None, Some(f32::NAN)])),
        SqlType::Float8 => {
            Arc::new(Float64Array::from(vec![Some(f64::NEG_INFINITY), None, Some(f64::MAX)]))
        }
        SqlType::Decimal(Some((precision, scale))) if *precision <= 38 => {
            let most = 10i128.pow(u32::from(*precision)) - 1;
            let values = Decimal128Array::from(vec![Some(-most), None, Some(most)]);
            Arc::new(values.with_precision_and_scale(*precision, *scale).unwrap())
        }
        SqlType::Decimal(_) => {
            let DataType::Decimal256(precision, scale) = sql_type.storage() else { panic!() };
            let most = i256::from_string(&"9".repeat(usize::from(precision))).unwrap();
            let values = Decimal256Array::from(vec![Some(most.wrapping_neg()), None, Some(most)]);
            Arc::new(values.with_precision_and_scale(precision, scale).unwrap())
        }
        SqlType::String { .. } | SqlType::Inet | SqlType::Jsonb => {
            Arc::new(StringViewArray::from(vec![
                Some(""),
                None,
                Some("much longer than twelve \u{e4}"),
            ]))
        }
        SqlType::Bytes => {
            Arc::new(BinaryArray::from_opt_vec(vec![Some(b"\xff\x00".as_slice()), None, Some(b"")]))
        }
        SqlType::Date => Arc::new(Date32Array::from(vec![Some(-1), None, Some(i32::MAX)])),
        SqlType::Time => {
            Arc::new(Time64MicrosecondArray::from(vec![Some(0), None, Some(86_399_999_999)]))
        }
        SqlType::Timestamp => {
            Arc::new(TimestampMicrosecondArray::from(vec![Some(i64::MIN), None, Some(i64::MAX)]))
        }
        SqlType::TimestampTz => Arc::new(
            TimestampMicrosecondArray::from(vec![Some(-5), None, Some(5)]).with_timezone("UTC"),
        ),
        SqlType::Interval => fixed([0; 16]),
        SqlType::Uuid => fixed([0xff; 16]),
        SqlType::Array(element) => {
            let DataType::List(field) = sql_type.storage() else { panic!() };
            let offsets = OffsetBuffer::new(vec![0, 3, 3, 3].into());
            let nulls = NullBuffer::from(vec![true, false, true]);
            Arc::new(ListArray::new(field, offsets, values(element), Some(nulls)))
        }
    }
}

fn all_types() -> Vec<SqlType> {
    let mut types = vec![
        SqlType::Bool,
        SqlType::Int2,
        SqlType::Int4,
        SqlType::Int8,
        SqlType::Float4,
        SqlType::Float8,
        SqlType::Decimal(None),
        SqlType::Decimal(Some((9, 2))),
        SqlType::Decimal(Some((18, 0))),
        SqlType::Decimal(Some((38, 10))),
        SqlType::Decimal(Some((60, 10))),
        SqlType::STRING,
        SqlType::Bytes,
        SqlType::Date,
        SqlType::Time,
        SqlType::Timestamp,
        SqlType::TimestampTz,
        SqlType::Interval,
        SqlType::Uuid,
        SqlType::Inet,
        SqlType::Jsonb,
    ];
    let arrays: Vec<SqlType> =
        types.iter().map(|element| SqlType::Array(Box::new(element.clone()))).collect();
    types.extend(arrays);
    types
}

#[test]
fn every_type_is_read_back() {
    let (_directory, store) = store();
    let columns = columns(&all_types());
    for rows in [0, 1, 2, 3] {
        let arrays = columns.iter().map(|c| values(&c.sql_type).slice(0, rows)).collect();
        let written = batch(&columns, arrays);
        let segment = Arc::new(write(&store, &columns, std::slice::from_ref(&written), false));
        assert_eq!(segment.rows, rows as u64);
        let found = read(&store, &segment, &columns, &request(&columns)).unwrap();
        assert_eq!(found, written, "{rows} rows");
    }
}

#[test]
fn types_read_back_the_same_with_dictionaries() {
    let (_directory, store) = store();
    let columns = columns(&all_types());
    let one = batch(&columns, columns.iter().map(|c| values(&c.sql_type)).collect());
    let batches = vec![one; 3000];
    let segment = Arc::new(write(&store, &columns, &batches, false));
    let found = read(&store, &segment, &columns, &request(&columns)).unwrap();
    assert_eq!(found, concat_batches(&batches[0].schema(), &batches).unwrap());
}

#[test]
fn nulls_alone_are_read_back_whatever_stands_in_other_pages() {
    let (_directory, store) = store();
    let columns = columns(&all_types());
    let values: Vec<ArrayRef> = columns.iter().map(|c| values(&c.sql_type)).collect();
    let nulls = batch(&columns, values.iter().map(|values| values.slice(1, 1)).collect());
    let some = batch(&columns, values);
    for batches in [vec![nulls.clone()], vec![nulls.clone(); 20_000], {
        [vec![some; 6000], vec![nulls; 20_000]].concat()
    }] {
        let segment = Arc::new(write(&store, &columns, &batches, false));
        let found = read(&store, &segment, &columns, &request(&columns)).unwrap();
        assert_eq!(found, concat_batches(&batches[0].schema(), &batches).unwrap());
    }
}

#[test]
fn statistics_hold_smallest_largest_and_nulls() {
    let (_directory, store) = store();
    let columns = columns(&all_types());
    let arrays = columns.iter().map(|c| values(&c.sql_type)).collect();
    let segment = write(&store, &columns, &[batch(&columns, arrays)], false);
    for column in &columns {
        let statistics = segment.column_statistics(column.id).unwrap();
        assert_eq!(statistics.nulls, 1, "{}", column.sql_type);
        let ordered =
            !matches!(column.sql_type, SqlType::Interval | SqlType::Array(_) | SqlType::Jsonb);
        let Some(range) = &statistics.range else {
            assert!(!ordered, "{} has no range", column.sql_type);
            continue;
        };
        let values = values(&column.sql_type);
        let (low, high) = match column.sql_type {
            SqlType::Bytes => (2, 0),
            SqlType::Uuid => (0, 2),
            _ => (0, 2),
        };
        assert_eq!(&range.slice(0, 1), &values.slice(low, 1), "{}", column.sql_type);
        assert_eq!(&range.slice(1, 1), &values.slice(high, 1), "{}", column.sql_type);
    }
}

#[test]
fn columns_come_in_the_order_asked_and_missing_ones_are_null() {
    let (_directory, store) = store();
    let mut columns = columns(&[SqlType::Int4, SqlType::STRING, SqlType::Bool]);
    let arrays = columns.iter().map(|c| values(&c.sql_type)).collect();
    let segment = Arc::new(write(&store, &columns, &[batch(&columns, arrays)], false));
    columns[0].sql_type = SqlType::Int8;
    columns[1].name = "renamed".into();
    columns.push(SegmentColumn {
        id: ColumnId(9),
        name: "new".into(),
        sql_type: SqlType::STRING,
        nullable: false,
    });
    let wanted = [9, 3, 1, 2, 1].map(ColumnId).to_vec();
    let request = ScanRequest { columns: wanted, rowid: true, ..ScanRequest::default() };
    let found = read(&store, &segment, &columns, &request).unwrap();
    let names: Vec<String> = found.schema().fields().iter().map(|f| f.name().clone()).collect();
    assert_eq!(names, ["new", "c3", "c1", "renamed", "c1", "rowid"]);
    assert_eq!(found.column(0).null_count(), 3);
    assert_eq!(found.column(2).as_primitive::<Int64Type>().value(0), i64::from(i32::MIN));
    assert_eq!(found.column(5).null_count(), 3);
}

fn numbers(range: Range<i64>) -> (Vec<SegmentColumn>, RecordBatch) {
    let columns = columns(&[SqlType::Int8, SqlType::STRING]);
    let texts = range.clone().map(|i| format!("text number {i}"));
    let arrays: Vec<ArrayRef> = vec![
        Arc::new(Int64Array::from_iter_values(range)),
        Arc::new(StringViewArray::from_iter_values(texts)),
    ];
    let batch = batch(&columns, arrays);
    (columns, batch)
}

#[test]
fn counts_rows_without_reading() {
    let (_directory, store) = store();
    let (columns, batch) = numbers(0..10_000);
    let mut segment = write(&store, &columns, &[batch], true);
    segment.rowids = Some(RowIds::Import { file_index: 1, first_row: 1 });
    std::fs::remove_file(segment.data.path()).unwrap();
    let segment = Arc::new(segment);
    let found = read(&store, &segment, &columns, &ScanRequest::default()).unwrap();
    assert_eq!((found.num_rows(), found.num_columns()), (10_000, 0));
    let request = ScanRequest { rowid: true, ..ScanRequest::default() };
    let found = read(&store, &segment, &columns, &request).unwrap();
    let expected = (1..=10_000).map(|row: i64| (row << 15) ^ 1);
    assert_eq!(found.column(0).as_ref(), &Int64Array::from_iter_values(expected) as &dyn Array);
}

#[test]
fn rowids_follow_the_rows_that_are_left() {
    let (_directory, store) = store();
    let (columns, batch) = numbers(0..100_000);
    let mut segment = write(&store, &columns, &[batch], true);
    segment.rowids = Some(RowIds::Sequence { first: 0 });
    let one: ArrayRef = Arc::new(Int64Array::from(vec![70_000]));
    let range = ColumnRange { column: ColumnId(1), low: Some(Arc::clone(&one)), high: Some(one) };
    let request = ScanRequest { ranges: vec![range], rowid: true, ..request(&columns) };
    let found = read(&store, &Arc::new(segment), &columns, &request).unwrap();
    assert!(found.num_rows() <= 20_480, "{} rows for one", found.num_rows());
    assert_eq!(found.column(0), found.column(2));
}

#[test]
fn parts_make_the_whole() {
    let (_directory, store) = store();
    let (columns, batch) = numbers(0..130_001);
    let segment = Arc::new(write(&store, &columns, std::slice::from_ref(&batch), true));
    for count in [1, 2, 3, 7, 50] {
        let parts: Vec<RecordBatch> = (0..count)
            .map(|index| {
                let request = ScanRequest { part: Some((index, count)), ..request(&columns) };
                read(&store, &segment, &columns, &request).unwrap()
            })
            .collect();
        assert_eq!(concat_batches(&batch.schema(), &parts).unwrap(), batch, "{count} parts");
    }
}

#[test]
fn a_writer_that_is_dropped_leaves_nothing() {
    let (_directory, store) = store();
    let (columns, batch) = numbers(0..10_000);
    let mut writer = store.create_segment(TABLE, &columns, &[]).unwrap();
    writer.write(&batch).unwrap();
    assert!(store.path().join("data/1/1.parquet").exists());
    drop(writer);
    assert!(!store.path().join("data/1").exists());
}

#[test]
fn flipped_bits_are_found_and_never_read_as_rows() {
    let (_directory, store) = store();
    let (columns, batch) = numbers(0..30_000);
    let segment = Arc::new(write(&store, &columns, std::slice::from_ref(&batch), true));
    let path = segment.data.path().to_owned();
    let whole = std::fs::read(&path).unwrap();
    let mut seed = 12345u64;
    for _ in 0..200 {
        seed = seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        let bit = usize::try_from(seed >> 20).unwrap() % (whole.len() * 8);
        let mut flipped = whole.clone();
        flipped[bit / 8] ^= 1 << (bit % 8);
        std::fs::write(&path, &flipped).unwrap();
        segment.data.cached().lock().unwrap().take();
        let error = read(&store, &segment, &columns, &request(&columns)).unwrap_err();
        assert_eq!(error.code(), SqlState::DATA_CORRUPTED, "bit {bit}");
    }
    for length in [0, 7, whole.len() / 2, whole.len() - 1] {
        std::fs::write(&path, &whole[..length]).unwrap();
        segment.data.cached().lock().unwrap().take();
        let error = read(&store, &segment, &columns, &request(&columns)).unwrap_err();
        assert_eq!(error.code(), SqlState::DATA_CORRUPTED, "{length} bytes");
    }
    std::fs::remove_file(&path).unwrap();
    segment.data.cached().lock().unwrap().take();
    let error = read(&store, &segment, &columns, &request(&columns)).unwrap_err();
    assert_eq!(error.code(), SqlState::DATA_CORRUPTED);
}

/// Returns the positions of rows that a scan with one range gives.
fn positions(store: &Store, segment: &Segment, range: &ColumnRange) -> Vec<i64> {
    let segment = Segment { rowids: Some(RowIds::Sequence { first: 0 }), ..segment.clone() };
    let request =
        ScanRequest { ranges: vec![range.clone()], rowid: true, ..ScanRequest::default() };
    let found = read(store, &Arc::new(segment), &[], &request).unwrap();
    found.column(0).as_primitive::<Int64Type>().values().to_vec()
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(24))]

    #[test]
    fn pruning_keeps_every_row_that_matches(
        sorted in any::<bool>(),
        spread in 1i64..200_000,
        nulls in 0usize..10,
        bounds in (any::<Option<i64>>(), any::<Option<i64>>()),
    ) {
        let (_directory, store) = store();
        let columns = columns(&[SqlType::Int8, SqlType::STRING, SqlType::Float8]);
        let mut numbers: Vec<i64> =
            (0..70_000i64).map(|i| (i.wrapping_mul(0x9e37_79b9) >> 7) % spread).collect();
        if sorted {
            numbers.sort_unstable();
        }
        let valid = |i: usize| nulls == 0 || !i.is_multiple_of(nulls);
        let numbers: Vec<Option<i64>> =
            numbers.into_iter().enumerate().map(|(i, n)| valid(i).then_some(n)).collect();
        let text = |n: i64| format!("{n:09}");
        let number = |n: i64| f64::from(i32::try_from(n).unwrap());
        let float = |n: i64| if n % 1000 == 7 { f64::NAN } else { number(n) };
        let arrays: Vec<ArrayRef> = vec![
            Arc::new(Int64Array::from(numbers.clone())),
            Arc::new(numbers.iter().map(|n| n.map(text)).collect::<StringViewArray>()),
            Arc::new(numbers.iter().map(|n| n.map(float)).collect::<Float64Array>()),
        ];
        let segment = write(&store, &columns, &[batch(&columns, arrays)], sorted);
        let low = bounds.0.map(|n| n.rem_euclid(spread));
        let high = bounds.1.map(|n| n.rem_euclid(spread));
        let one = |column: usize, n: i64| -> ArrayRef {
            match column {
                0 => Arc::new(Int64Array::from(vec![n])),
                1 => Arc::new(StringViewArray::from(vec![text(n)])),
                _ => Arc::new(Float64Array::from(vec![number(n)])),
            }
        };
        for (column, described) in columns.iter().enumerate() {
            let range = ColumnRange {
                column: described.id,
                low: low.map(|n| one(column, n)),
                high: high.map(|n| one(column, n)),
            };
            let found = positions(&store, &segment, &range);
            let wanted = numbers.iter().enumerate().filter(|(_, n)| n.is_some_and(|n| {
                let nan = column == 2 && n % 1000 == 7;
                low.is_none_or(|low| nan || n >= low) && high.is_none_or(|high| !nan && n <= high)
            }));
            for (position, _) in wanted {
                prop_assert!(found.binary_search(&i64::try_from(position).unwrap()).is_ok());
            }
        }
    }
}
