//! Expressions of tables.

use super::*;

#[test]
#[expect(clippy::too_many_lines, reason = "a table of cases")]
fn compiles_expressions_of_tables() {
    let fixture = Fixture::new();
    let context = fixture.context();
    let columns = [
        ("a".to_owned(), SqlType::Int8),
        ("s".to_owned(), SqlType::STRING),
        ("u".to_owned(), SqlType::Uuid),
    ];
    let batch = || {
        let arrays: Vec<ArrayRef> = vec![
            Arc::new(datafusion::arrow::array::Int64Array::from(vec![Some(1), None, Some(3)])),
            Arc::new(datafusion::arrow::array::StringViewArray::from(vec!["x", "y", "z"])),
            Arc::new(datafusion::arrow::array::StringViewArray::from(UUIDS.to_vec())),
        ];
        RecordBatch::try_from_iter(["a", "s", "u"].into_iter().zip(arrays)).unwrap()
    };
    let values = |expr: &str, target: Option<&str>| -> Result<String> {
        let target = target.map(|text| SqlType::parse(text).unwrap());
        let compiled = fixture.engine.compile(&context, expr, &columns, target.as_ref())?;
        let array = compiled.evaluate(&batch())?;
        if let Some(target) = &target {
            assert_eq!(array.data_type(), &target.arrow(), "{expr}");
        }
        let cells = (0..array.len()).map(|row| {
            let mut text = String::new();
            if array.is_null(row) {
                text.push('~');
            }
            types::print_value(&array, row, &mut text);
            text
        });
        Ok(cells.collect::<Vec<_>>().join(" "))
    };
    let check = |expr: &str, target: Option<&str>, expected: &str| {
        assert_eq!(
            values(expr, target).unwrap_or_else(|error| panic!("{expr}: {error:?}")),
            expected,
            "{expr}"
        );
    };
    check("a + 1", None, "2 ~ 4");
    check("a > 1", Some("BOOL"), "f ~ t");
    check("a * 2", Some("INT2"), "2 ~ 6");
    check("'7'", Some("INT"), "7 7 7");
    check("1.26", Some("DECIMAL(10,1)"), "1.3 1.3 1.3");
    check("a", Some("STRING"), "1 ~ 3");
    check("upper(s) || a", Some("STRING"), "X1 ~ Z3");
    check("u = 'A0EEBC99-9C0B-4EF8-BB6D-6BB9BD380A11'", None, "f t f");
    check("'A0EEBC99-9C0B-4EF8-BB6D-6BB9BD380A11'", Some("UUID"), &[UUIDS[1]; 3].join(" "));
    check("NULL", Some("DATE"), "~ ~ ~");
    check("now()", Some("DATE"), "2024-03-05 2024-03-05 2024-03-05");
    check("CASE WHEN a > 2 THEN 'big' ELSE s END", Some("STRING"), "x y big");
    check("a BETWEEN 1 AND 2 AND s IN ('x', 'y')", None, "t ~ f");
    check("'a'", Some("VARCHAR(3)"), "a a a");
    let random = values("gen_random_uuid()", Some("UUID")).unwrap();
    let unique: std::collections::HashSet<&str> = random.split(' ').collect();
    assert_eq!(unique.len(), 3, "{random}");
    for (expr, target, code) in [
        ("b + 1", None, "42703"),
        ("true", Some("INT"), "42804"),
        ("a", Some("DATE"), "42804"),
        ("s", Some("INT"), "42804"),
        ("'x'", Some("INT"), "22P02"),
        ("count(*)", None, "42803"),
        ("row_number() OVER ()", None, "0A000"),
        ("(SELECT 1)", None, "0A000"),
        ("EXISTS (SELECT 1)", None, "0A000"),
        ("a +", None, "42601"),
        ("a b", None, "42601"),
        ("a * 9223372036854775807", None, "22003"),
        ("a * 100000", Some("INT2"), "22003"),
        ("1 / 0", None, "22012"),
    ] {
        let error = values(expr, target).expect_err(expr);
        assert_eq!(error.code().as_str(), code, "{expr}: {error:?}");
    }
    let none = fixture.engine.compile(&context, "1 + 1", &[], Some(&SqlType::Int8)).unwrap();
    let options = datafusion::arrow::array::RecordBatchOptions::new().with_row_count(Some(2));
    let empty =
        RecordBatch::try_new_with_options(Arc::new(Schema::empty()), vec![], &options).unwrap();
    assert_eq!(none.evaluate(&empty).unwrap().len(), 2);
    assert!(fixture.engine.compile(&context, "a", &[], None).is_err());
}
