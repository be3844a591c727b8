//! Queries: names, row ids, plans, indexes.

use super::*;

#[test]
fn runs_a_query_over_segments() {
    let fixture = Fixture::new();
    fixture.table(100, "t", "id INT KEY, name STRING", &[&["1|a", "2|b"], &["3|c", "4|~"]]);
    fixture.check("SELECT * FROM t ORDER BY id", "1|a 2|b 3|c 4|~");
    fixture.check("SELECT count(*), count(name), min(id), max(id) FROM t", "4|3|1|4");
    fixture.check("SELECT name FROM t WHERE id = 3", "c");
    fixture.check("SELECT id FROM t WHERE id > 1 ORDER BY id DESC LIMIT 2", "4 3");
    fixture.check("SELECT t.id FROM shop.public.t JOIN t AS u ON t.id = u.id + 3", "4");
    fixture.check("SELECT sum(id), avg(id) FROM t", "10|2.5");
}

#[test]
fn resolves_two_part_names() {
    let fixture = Fixture::new();
    fixture.table(100, "t", "id INT KEY", &[&["1"]]);
    fixture.table(101, "t", "id INT KEY", &[&["2"]]);
    fixture.check("SELECT id FROM public.t", "1");
    fixture.check("SELECT id FROM other.t", "2");
    fixture.check("SELECT other.t.id FROM other.t", "2");
    fixture.check("SELECT id FROM other.public.t", "2");
    let error = fixture.fail("SELECT id FROM tt", "42P01");
    assert_eq!(error.message(), "relation \"tt\" does not exist");
    assert_eq!(error.hint_text(), Some("Did you mean \"t\"?"));
    assert!(matches!(error.place(), Some(Place::Sql(span)) if span.start == 15), "{error:?}");
    fixture.fail("SELECT id FROM nowhere.t", "42P01");
}

#[test]
fn keeps_hidden_row_ids_apart() {
    let fixture = Fixture::new();
    fixture.table(100, "t", "a STRING", &[&["x", "y"], &["z"]]);
    fixture.check("SELECT * FROM t", "x y z");
    fixture.check("SELECT rowid, a FROM t ORDER BY rowid", "0|x 1|y 2|z");
    fixture.check("SELECT *, rowid FROM t WHERE rowid > 0 ORDER BY 2", "y|1 z|2");
    fixture.check("SELECT a FROM t WHERE rowid = 1", "y");
    fixture.check("SELECT * FROM (SELECT * FROM t) s WHERE EXISTS (SELECT rowid FROM t)", "x y z");
}

#[test]
fn names_columns_as_postgresql_does() {
    let fixture = Fixture::new();
    fixture.table(100, "t", "a INT KEY", &[&["1"]]);
    let names = |sql: &str| fixture.run(sql).unwrap().0.join(",");
    assert_eq!(names("SELECT 1, 1, 'x'"), "?column?,?column?,?column?");
    assert_eq!(names("SELECT a, a, count(*), sum(a) FROM t GROUP BY a"), "a,a,count,sum");
    assert_eq!(names("SELECT *, a FROM t"), "a,a");
    assert_eq!(names("SELECT t.a, u.a FROM t, t AS u"), "a,a");
    assert_eq!(
        names("SELECT a::string, CASE WHEN true THEN 1 END, coalesce(a, 1) FROM t"),
        "a,case,coalesce"
    );
    assert_eq!(names("SELECT count FROM (SELECT count(*) FROM t) s"), "count");
    assert_eq!(names("SELECT a AS \"A\", max(a) FROM t GROUP BY a ORDER BY max(a)"), "A,max");
    assert_eq!(names("SELECT 1, 1 UNION SELECT 2, 2"), "?column?,?column?");
    fixture.check("SELECT 1, 1 UNION ALL SELECT 2, 2", "1|1 2|2");
    fixture.check("SELECT 1 UNION ALL SELECT 2 UNION ALL SELECT 3 LIMIT 2", "1 2");
    fixture.check("SELECT DISTINCT upper('x') FROM t ORDER BY upper('x')", "X");
}

#[test]
fn explains_which_segments_are_read() {
    let fixture = Fixture::new();
    fixture.table(
        100,
        "t",
        "id INT KEY, u UUID",
        &[&[&format!("1|{}", UUIDS[0]), &format!("2|{}", UUIDS[0])], &[&format!("3|{}", UUIDS[2])]],
    );
    let plain = ExplainOptions::default();
    let plan = fixture.explain("SELECT id FROM t WHERE id = 3", plain);
    assert!(
        plan.contains("Scan t using primary: columns=[id], segments=1/2, ranges=[id]"),
        "{plan}"
    );
    let plan =
        fixture.explain("SELECT id FROM t WHERE u = 'FFFFFFFF-FFFF-FFFF-FFFF-FFFFFFFFFFFF'", plain);
    assert!(plan.contains("segments=1/2, ranges=[u]"), "{plan}");
    let plan = fixture.explain("SELECT id FROM t ORDER BY id", plain);
    assert!(!plan.contains("SortExec"), "{plan}");
    let plan = fixture.explain("SELECT count(*), max(id) FROM t", plain);
    assert!(plan.contains("PlaceholderRowExec"), "{plan}");
    let plan = fixture.explain("SELECT id FROM t", ExplainOptions { analyze: true, verbose: true });
    assert!(plan.contains("output_rows=3") && plan.contains("Logical plan:"), "{plan}");
}

#[test]
fn answers_from_a_secondary_index_that_covers_the_query() {
    let fixture = Fixture::new();
    let id = fixture.table(
        100,
        "t",
        "id INT KEY, name STRING, other STRING",
        &[&["1|c|x", "2|a|y", "3|b|z"]],
    );
    let view = fixture.store.view();
    let mut table = view.catalog.tables[&id].clone();
    let mut index_table = table.clone();
    index_table.columns = vec![table.columns[1].clone(), table.columns[0].clone()];
    let segment = fixture.segment(&index_table, &["a|2", "b|3", "c|1"]);
    table.indexes.push(IndexDescriptor {
        id: IndexId(2),
        name: "t_name_idx".into(),
        unique: false,
        constraint: false,
        key: vec![IndexKey { column: ColumnId(2), descending: false }],
        storing: Vec::new(),
    });
    let mut manifest = view.manifest(id).unwrap().as_ref().clone();
    manifest.indexes.insert(IndexId(2), vec![Arc::new(segment)]);
    fixture
        .store
        .update(|changes| {
            changes.put_table(&table)?;
            changes.put_manifest(id, manifest)
        })
        .unwrap();
    fixture.check("SELECT id FROM t WHERE name = 'b'", "3");
    fixture.check("SELECT id, other FROM t WHERE name = 'b'", "3|z");
    let plain = ExplainOptions::default();
    let plan = fixture.explain("SELECT id FROM t WHERE name = 'b'", plain);
    assert!(plan.contains("using t_name_idx"), "{plan}");
    let plan = fixture.explain("SELECT id, other FROM t WHERE name = 'b'", plain);
    assert!(plan.contains("using primary"), "{plan}");
}

#[test]
fn runs_the_queries_of_reports() {
    let fixture = Fixture::new();
    fixture.table(
        100,
        "item",
        "k INT KEY, day DATE, off DECIMAL(15,2), price DECIMAL(15,2), flag STRING",
        &[
            &["1|1994-01-05|0.06|100.50|A", "2|1994-06-05|0.06|200.50|B"],
            &["3|1998-11-05|0.07|300.50|A"],
        ],
    );
    let early = "SELECT sum(price * off) FROM item WHERE day < date '1994-01-01' + interval '1' year \
                 AND off BETWEEN 0.06 - 0.01 AND 0.06 + 0.01 AND price < 150";
    let plan = fixture.explain(early, ExplainOptions::default());
    assert!(plan.contains("segments=1/2, ranges=[day, off, off, price]"), "{plan}");
    fixture.check_all([
        (early, "6.0300"),
        (
            "SELECT flag, sum(price * (1 - off)), round(avg(price), 2), count(*) FROM item \
             GROUP BY flag HAVING avg(price) > 1 ORDER BY avg(price), flag DESC",
            "B|188.4700|200.50|1 A|373.9350|200.50|2",
        ),
        (
            "SELECT k FROM item a WHERE price = (SELECT max(price) FROM item b WHERE b.flag = a.flag) \
             ORDER BY k",
            "2 3",
        ),
        ("SELECT a.k, b.k FROM item a LEFT JOIN item b ON a.k = b.k + 2 ORDER BY 1", "1|~ 2|~ 3|1"),
        ("SELECT extract(year from day) AS y, count(*) FROM item GROUP BY y ORDER BY y", "1994|2 1998|1"),
        ("SELECT flag, string_agg(k::string, ',' ORDER BY k DESC) FROM item GROUP BY flag ORDER BY 1", "A|3,1 B|2"),
        ("SELECT EXISTS (SELECT 1 FROM item), NOT EXISTS (SELECT k FROM item WHERE k > 5)", "t|t"),
        ("SELECT k, EXISTS (SELECT 1 FROM item b WHERE b.k = a.k + 1) FROM item a ORDER BY k", "1|t 2|t 3|f"),
        ("SELECT grouping(flag), flag, count(*) FROM item GROUP BY ROLLUP (flag) ORDER BY 1, 2", "0|A|2 0|B|1 1|~|3"),
        ("SELECT avg(k), sum(k), min(k) FROM item WHERE false", "~|~|~"),
        ("SELECT flag FROM item INTERSECT SELECT 'A'", "A"),
        ("SELECT interval '1-2' year to month", "1 year 2 mons"),
    ]);
}
