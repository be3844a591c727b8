//! Values: comparing, ordering and calculating, type by type.

use super::*;

#[test]
fn never_wraps() {
    let fixture = Fixture::new();
    fixture.table(
        100,
        "t",
        "id INT KEY, i2 INT2, i4 INT4, d DECIMAL(38), e DECIMAL, s DECIMAL(5)",
        &[&[
            "1|32767|2147483647|99999999999999999999999999999999999999|1|99999",
            "9223372036854775807|1|1|99999999999999999999999999999999999999|1|1",
        ]],
    );
    fixture.fail_all([
        "SELECT 9223372036854775807 + 1",
        "SELECT -9223372036854775808 - 1",
        "SELECT 9223372036854775807 * 2",
        "SELECT -(-9223372036854775808)",
        "SELECT (-9223372036854775808) / -1",
        "SELECT abs(-9223372036854775808)",
        "SELECT id + 1 FROM t",
        "SELECT id + id FROM t",
        "SELECT i4 + i4 FROM t",
        "SELECT i2 * i2 FROM t",
        "SELECT d * d * d FROM t",
        "SELECT 300000::int2",
        "SELECT 3000000000::int4",
        "SELECT 1e30::int8",
        "SELECT 1e300::float4",
        "SELECT 123456::decimal(5)",
        "SELECT s * 1000000000000000000000000000000000000000000000000000000000000000000000000.0 * 10000 FROM t",
        "SELECT 10.0 ^ 400",
    ].map(|sql| (sql, "22003")));
    fixture.check("SELECT sum(id) FROM t", "9223372036854775808");
    fixture.check("SELECT sum(i4), sum(i2) FROM t", "2147483648|32768");
    fixture.check("SELECT s + s, s * s, s - s FROM t WHERE id = 1", "199998|9999800001|0");
    fixture.check("SELECT 9223372036854775808", "9223372036854775808");
    fixture.check("SELECT -9223372036854775808", "-9223372036854775808");
    fixture.check("SELECT 9223372036854775808 - 1", "9223372036854775807");
    fixture.check("SELECT (-9223372036854775808) % -1", "0");
    fixture.check("SELECT i2 + i4 FROM t WHERE id > 1", "2");
    fixture.check(
        "SELECT sum(i4) OVER (ORDER BY id ROWS 1 PRECEDING) FROM t",
        "2147483647 2147483648",
    );
}

#[test]
fn divides_like_postgresql() {
    let fixture = Fixture::new();
    for sql in [
        "SELECT 1 / 0",
        "SELECT 1 % 0",
        "SELECT 1.0 / 0",
        "SELECT 1.5::float8 / 0",
        "SELECT 0.0 % 0.0",
    ] {
        fixture.fail(sql, "22012");
    }
    fixture.check("SELECT 7 / 2, -7 / 2, 7 % 3, -7 % 3", "3|-3|1|-1");
    fixture.check("SELECT 7.0 / 2, 1 / 3.0", "3.5|0.33333333333333333333");
    fixture.check("SELECT 2 / 3.0, -2 / 3.0", "0.66666666666666666667|-0.66666666666666666667");
    fixture.check("SELECT 0.1 + 0.2, 0.1 * 0.2, 1.10 - 1", "0.3|0.02|0.10");
    fixture.check("SELECT 7.5::float8 / 2, 7.5 % 2", "3.75|1.5");
    fixture.check("SELECT NULL / 0, 1 + NULL", "~|~");
    fixture.check("SELECT CASE WHEN true THEN 1 ELSE 1 / 0 END", "1");
    fixture.check("SELECT 2 ^ 3, 5 & 3, 5 | 3, 1 << 4", "8|1|7|16");
}

#[test]
#[expect(clippy::too_many_lines, reason = "a table of cases")]
fn compares_literals_by_the_other_sides_type() {
    let fixture = Fixture::new();
    fixture.table(
        100,
        "t",
        "id INT KEY, u UUID, d DATE, ts TIMESTAMP, tz TIMESTAMPTZ, tm TIME, iv INTERVAL, dc DECIMAL(10,2), b BOOL, f FLOAT8, by BYTES, ip INET, j JSONB",
        &[&[
            &format!("1|{}|2020-01-01|2020-01-01 10:00:00|2020-01-01 10:00:00+00|10:00:00|1 day|1.50|t|1.5|\\x00ff|10.0.0.1|{{\"a\": 1}}", UUIDS[0]),
            &format!("2|{}|2020-06-01|2020-06-01 10:00:00|2020-06-01 10:00:00+00|12:00:00|1 mon|2.50|f|2.5|\\x01|10.0.0.2|[1, 2]", UUIDS[1]),
            "3|~|~|~|~|~|~|~|~|~|~|~|~",
        ]],
    );
    fixture.check_all([
        ("u = 'A0EEBC99-9C0B-4EF8-BB6D-6BB9BD380A11'", "2"),
        ("u = '{a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11}'", "2"),
        ("u IN ('A0EEBC99-9C0B-4EF8-BB6D-6BB9BD380A11', 'ffffffff-ffff-ffff-ffff-ffffffffffff')", "2"),
        ("u < 'A0EEBC99-9C0B-4EF8-BB6D-6BB9BD380A11'", "1"),
        ("u = upper('a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11')", "2"),
        ("coalesce(u, 'FFFFFFFF-ffff-ffff-ffff-ffffffffffff') = 'ffffffff-ffff-ffff-ffff-ffffffffffff'", "3"),
        ("d = '2020-06-01'", "2"),
        ("d BETWEEN '2020-01-01' AND '2020-02-01'", "1"),
        ("d > '2020-01-01'::timestamp", "2"),
        ("ts = '2020-01-01 10:00'", "1"),
        ("tz >= '2020-06-01 12:00:00+02'", "2"),
        ("tm < '11:00'", "1"),
        ("iv > '29 days'", "2"),
        ("iv = '24:00:00'", "1"),
        ("iv = '30 days'", "2"),
        ("dc = '1.5'", "1"),
        ("dc = 1.50", "1"),
        ("dc > 2", "2"),
        ("dc IN (2.5, 7)", "2"),
        ("b = 't'", "1"),
        ("b", "1"),
        ("NOT b", "2"),
        ("id = '2'", "2"),
        ("id = 2.0", "2"),
        ("id IN ('1', '3')", "1 3"),
        ("f = '2.5'", "2"),
        ("f > 2", "2"),
        ("f = dc", "1 2"),
        ("by = '\\x01'", "2"),
        ("ip = '10.0.0.1'", "1"),
        ("j @> '{\"a\": 1}'", "1"),
        ("j ->> 'a' = '1'", "1"),
        ("(j -> 'a')::int = 1", "1"),
        ("j ->> 1 = '2'", "2"),
        ("CASE id WHEN '1' THEN true ELSE false END", "1"),
        ("u IS NULL", "3"),
        ("u = (SELECT max(u) FROM t)", "2"),
        ("u = ANY (ARRAY['a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11'])", "2"),
    ].map(|(condition, expected)| {
        (format!("SELECT id FROM t WHERE {condition} ORDER BY id"), expected)
    }));
    fixture.fail_all(
        [
            ("u = 'x'", "22P02"),
            ("id = 'x'", "22P02"),
            ("d = 'x'", "22007"),
            ("d = 5", "42883"),
            ("id = true", "42883"),
            ("id = u", "42883"),
            ("b = 1", "42883"),
            ("id = name", "42703"),
            ("id", "42804"),
            ("upper(id::string) = 1", "42883"),
            ("id + u > 1", "42883"),
        ]
        .map(|(condition, code)| (format!("SELECT id FROM t WHERE {condition}"), code)),
    );
}

#[test]
fn keeps_types_through_expressions() {
    let fixture = Fixture::new();
    fixture.table(
        100,
        "t",
        "id INT KEY, u UUID, iv INTERVAL, x INT[]",
        &[&[
            &format!("1|{}|1 mon|{{1,2}}", UUIDS[2]),
            &format!("2|{}|29 days|{{3}}", UUIDS[0]),
            &format!("3|{}|31 days|{{}}", UUIDS[1]),
            "4|~|~|~",
        ]],
    );
    fixture.check("SELECT id FROM t ORDER BY iv", "2 1 3 4");
    fixture.check("SELECT id FROM t ORDER BY iv DESC NULLS LAST", "3 1 2 4");
    fixture.check("SELECT min(iv), max(iv) FROM t", "29 days|31 days");
    fixture.check("SELECT id FROM t ORDER BY u", "2 3 1 4");
    fixture.check("SELECT min(u), max(u) FROM t", &format!("{}|{}", UUIDS[0], UUIDS[2]));
    fixture.check(
        "SELECT u FROM t WHERE id = 2 UNION SELECT coalesce(u, NULL) FROM t WHERE id = 2",
        UUIDS[0],
    );
    fixture.check(
        "SELECT CASE WHEN id = 2 THEN u END FROM t ORDER BY id LIMIT 2",
        &format!("~ {}", UUIDS[0]),
    );
    fixture.check("SELECT array_agg(id ORDER BY id) FROM t", "{1,2,3,4}");
    fixture.check("SELECT x, x[1] FROM t ORDER BY id", "{1,2}|1 {3}|3 {}|~ ~|~");
    fixture.check("SELECT sum(iv) FROM t", "1 mon 60 days");
    fixture.check("SELECT pg_typeof(u), pg_typeof(id), pg_typeof(1.5), pg_typeof(iv), pg_typeof(x), pg_typeof('a') FROM t LIMIT 1", "uuid|bigint|numeric|interval|bigint[]|text");
    fixture.check("SELECT count(DISTINCT u) FROM t", "3");
    fixture.check("SELECT id FROM t WHERE iv BETWEEN '29 days' AND '1 mon' ORDER BY 1", "1 2");
    fixture.check("SELECT a.id FROM t a JOIN t b ON a.u = b.u AND a.iv = b.iv ORDER BY 1", "1 2 3");
}
