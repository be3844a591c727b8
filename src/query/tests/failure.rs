//! Errors and limits: codes, nesting, memory, cancelling.

use super::*;

#[test]
#[expect(clippy::too_many_lines, reason = "a table of cases")]
fn tells_errors_with_their_codes() {
    let fixture = Fixture::new();
    fixture.table(100, "t", "id INT KEY, name STRING", &[&["1|a", "2|b"]]);
    fixture.table(100, "u", "id INT KEY", &[&["1"]]);
    fixture.fail_all([
        ("SELECT nam FROM t", "42703"),
        ("SELECT t.nam FROM t", "42703"),
        ("SELECT x.id FROM t", "42P01"),
        ("SELECT id FROM t, u", "42702"),
        ("SELECT * FROM missing", "42P01"),
        ("SELECT uper(name) FROM t", "42883"),
        ("SELECT abs('x', 'y') FROM t", "42883"),
        ("SELECT abs(name) FROM t", "42883"),
        ("SELECT sum(name) FROM t", "42883"),
        ("SELECT name + 1 FROM t", "42883"),
        ("SELECT -name FROM t", "42883"),
        ("SELECT id, count(*) FROM t", "42803"),
        ("SELECT name, count(*) FROM t GROUP BY name || name", "42803"),
        ("SELECT id FROM t WHERE count(*) > 1", "42803"),
        ("SELECT name FROM t GROUP BY name HAVING id = 1", "42803"),
        ("SELECT (SELECT id FROM t)", "21000"),
        ("SELECT id FROM t WHERE id = (SELECT id, name FROM t)", "42601"),
        ("SELECT 'x'::int", "22P02"),
        ("SELECT name::int FROM t", "22P02"),
        ("SELECT name::uuid FROM t", "22P02"),
        ("SELECT 'x'::date", "22007"),
        ("SELECT '2020-13-01'::date", "22008"),
        ("SELECT 1::nosuch", "42704"),
        ("SELECT true::date", "42846"),
        ("SELECT date '2020-01-01'::int", "42846"),
        ("SELECT date '5874897-12-31' + 1", "22008"),
        ("SELECT timestamp '294276-12-31' + interval '1000000 years'", "22008"),
        ("SELECT interval '2000000000 days' * 2", "22008"),
        ("SELECT id FROM t LIMIT -1", "22023"),
        ("SELECT id FROM t ORDER BY 2", "42P10"),
        ("SELECT 1 FROM", "42601"),
        ("SELECT 1 +", "42601"),
        ("SELECT 'a", "42601"),
        ("SELECT id FROM t UNION SELECT id, name FROM t", "42601"),
        ("SELECT $1", "42P02"),
        ("INSERT INTO t VALUES (1)", "0A000"),
        ("CREATE TABLE x (a int)", "0A000"),
        ("SET a = 1", "0A000"),
        ("COPY t TO '/tmp/x'", "0A000"),
        ("SELECT 'a' ~ '('", "22023"),
        ("SELECT now() AT TIME ZONE 'Nowhere/City'", "22023"),
        ("SELECT name COLLATE \"de_DE\" FROM t", "0A000"),
        ("SELECT sqrt(-1)", "22023"),
        ("SELECT * FROM nosuch(1)", "42883"),
        ("SELECT CASE WHEN 1 THEN 2 END", "42804"),
        ("SELECT id FROM t WHERE name", "42804"),
        ("SELECT sum(sum(id)) FROM t", "42803"),
        ("SELECT id FROM t ORDER BY nosuch", "42703"),
        ("SELECT *", "42601"),
        ("SELECT id AS x FROM t WHERE x = 1", "42703"),
        ("SELECT * FROM t JOIN u USING (nosuch)", "42703"),
        ("SELECT id FROM t WHERE id IN (SELECT id, name FROM t)", "42601"),
        ("SELECT sum(id) OVER w FROM t", "42704"),
        ("WITH a AS (SELECT 1), a AS (SELECT 2) SELECT * FROM a", "42710"),
    ]);
    let error = fixture.fail("SELECT id,\n  nam FROM t", "42703");
    assert_eq!(error.message(), "column \"nam\" does not exist");
    assert_eq!(error.hint_text(), Some("Did you mean \"name\"?"));
    assert!(
        matches!(error.place(), Some(Place::Sql(span)) if (span.start, span.end) == (13, 16)),
        "{error:?}"
    );
    let error = fixture.fail("SELECT uper(name) FROM t", "42883");
    assert_eq!(error.hint_text(), Some("Did you mean \"upper\"?"));
    let error = fixture.fail("SELECT id FROM t WHERE id = name", "42883");
    assert_eq!(error.message(), "operator does not exist: bigint = text");
}

#[test]
fn survives_deep_nesting() {
    let fixture = Fixture::new();
    fixture.table(100, "t", "id INT KEY", &[&["1", "2"]]);
    let ands = vec!["id > 0"; 10_000].join(" AND ");
    fixture.check(&format!("SELECT count(*) FROM t WHERE {ands}"), "2");
    let ors: Vec<String> = (0..5_000).map(|number| format!("id = {number}")).collect();
    fixture.check(&format!("SELECT count(*) FROM t WHERE {}", ors.join(" OR ")), "2");
    let deep = format!("SELECT {}1{}", "(".repeat(1_000), ")".repeat(1_000));
    fixture.check(&deep, "1");
    let sum = vec!["1"; 250].join(" + ");
    fixture.check(&format!("SELECT id + {sum} FROM t"), "251 252");
    let text = vec!["'a'"; 250].join(" || ");
    fixture.check(&format!("SELECT length(id || {text}) FROM t"), "251 251");
    let calls = format!("SELECT {}id{} FROM t", "abs(".repeat(60), ")".repeat(60));
    fixture.check(&calls, "1 2");
    let subqueries = format!("{}SELECT 1{}", "SELECT * FROM (".repeat(60), ") s".repeat(60));
    fixture.check(&subqueries, "1");
    for sql in [
        format!("SELECT {}", vec!["id"; 5_000].join(" + ")) + " FROM t",
        format!("SELECT {}1{}", "(".repeat(50_000), ")".repeat(50_000)),
        format!("SELECT {}1", "- ".repeat(5_000)),
        format!("SELECT {}1{}", "abs(".repeat(2_000), ")".repeat(2_000)),
        format!("{}SELECT 1{}", "SELECT * FROM (".repeat(2_000), ") s".repeat(2_000)),
        format!("SELECT {}true", "NOT ".repeat(5_000)),
    ] {
        fixture.fail(&sql, "54001");
    }
    let unions = vec!["SELECT 1"; 500].join(" UNION ALL ");
    fixture.check(&format!("SELECT count(*) FROM ({unions}) s"), "500");
}

#[test]
fn spills_or_refuses_beyond_the_memory_limit() {
    let fixture = Fixture::with_memory(16 << 20);
    let series = "generate_series(1, 500000) AS g";
    fixture.check(
        &format!(
            "SELECT max(r) FROM (SELECT row_number() OVER (ORDER BY s) AS r FROM \
             (SELECT repeat('x', 50) || g AS s FROM {series}) q) p"
        ),
        "500000",
    );
    let error = fixture
        .fail(&format!("SELECT string_agg(repeat('x', 100) || g, '') FROM {series}"), "53200");
    assert_eq!(error.message(), "query exceeds the memory limit");
}

#[test]
fn stops_when_the_rows_are_dropped() {
    let fixture = Fixture::new();
    let context = fixture.context();
    let started = std::time::Instant::now();
    fixture.runtime.block_on(async {
        let sql =
            "SELECT g % 7, count(*) FROM generate_series(1, 1000000000000) AS g GROUP BY g % 7";
        let mut rows = fixture.engine.run(&context, sql, 0).await.unwrap();
        let limit = std::time::Duration::from_millis(200);
        assert!(tokio::time::timeout(limit, rows.next()).await.is_err());
        drop(rows);
        while fixture.runtime.metrics().num_alive_tasks() > 0 {
            tokio::time::sleep(std::time::Duration::from_millis(10)).await;
        }
    });
    assert!(started.elapsed() < std::time::Duration::from_secs(20), "{:?}", started.elapsed());
}
