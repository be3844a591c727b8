//! Functions.

use super::*;

#[test]
#[expect(clippy::too_many_lines, reason = "a table of cases")]
fn has_the_functions_that_users_expect() {
    let fixture = Fixture::new();
    fixture.table(100, "t", "a INT KEY, s STRING, by BYTES", &[&["1|Ab|\\x01ff", "2|~|~"]]);
    fixture.check_all(
        [
            ("current_user", "alice"),
            ("session_user", "alice"),
            ("current_database()", "shop"),
            ("current_schema()", "public"),
            ("version()", "Wharf 0.1.0"),
            ("now()", "2024-03-05 15:04:09.5+00"),
            ("current_timestamp", "2024-03-05 15:04:09.5+00"),
            ("statement_timestamp() = transaction_timestamp()", "t"),
            ("current_date", "2024-03-05"),
            ("localtimestamp", "2024-03-05 15:04:09.5"),
            ("current_date + 1", "2024-03-06"),
            ("current_date - '2024-03-01'", "4"),
            ("date '2024-03-31' + interval '1 month'", "2024-04-30 00:00:00"),
            ("timestamp '2024-03-01' - timestamp '2024-02-01 12:00'", "28 days 12:00:00"),
            ("interval '1 day' * 2.5", "2 days 12:00:00"),
            ("interval '1 day' + interval '2 hours'", "1 day 02:00:00"),
            ("interval '5' day", "5 days"),
            ("time '23:30' + interval '2 hours'", "01:30:00"),
            ("now() - interval '1 day' < now()", "t"),
            ("length(gen_random_uuid()::text)", "36"),
            ("gen_random_uuid() = gen_random_uuid()", "f"),
            ("pg_typeof(gen_random_uuid())", "uuid"),
            ("unique_rowid() > 0", "t"),
            ("pg_typeof(now())", "timestamp with time zone"),
            ("random() < 1", "t"),
            ("'a' || 1 || 'b' || 2.50", "a1b2.50"),
            ("'a' || true", "atrue"),
            ("'x' || date '2020-01-01'", "x2020-01-01"),
            ("concat('a', 1, true, NULL, timestamp '2020-01-01')", "a1true2020-01-01 00:00:00"),
            ("length('h\u{e9}llo'), octet_length('h\u{e9}')", "5|3"),
            ("length('\\x0102'::bytes)", "2"),
            ("md5('a')", "0cc175b9c0f1b6a831c399e269772661"),
            ("left('abc', 2), right('abc', 2)", "ab|bc"),
            ("left('abc', -1)", "ab"),
            ("strpos('abc', 'c'), position('b' in 'abc')", "3|2"),
            ("split_part('a,b,c', ',', 2)", "b"),
            ("to_hex(255)", "ff"),
            ("upper('a'), lower('A'), initcap('hello world')", "A|a|Hello World"),
            ("trim('  a '), ltrim('xxa', 'x'), btrim('xax', 'x')", "a|a|a"),
            ("substring('abcdef' from 2 for 3), substr('abc', 2)", "bcd|bc"),
            ("replace('abc', 'b', 'x'), reverse('abc'), repeat('ab', 2)", "axc|cba|abab"),
            ("lpad('7', 3, '0'), rpad('7', 3, '0')", "007|700"),
            ("translate('abc', 'ab', 'xy'), ascii('a'), chr(97)", "xyc|97|a"),
            ("overlay('abcdef' placing 'XX' from 2 for 3)", "aXXef"),
            ("starts_with('abc', 'ab')", "t"),
            ("regexp_replace('abc', 'b', 'x')", "axc"),
            ("coalesce(NULL, 2), nullif(1, 1), greatest(1, 3, 2), least(3, 1)", "2|~|3|1"),
            ("coalesce(NULL, 2.5, '7'), greatest('b', 'a')", "2.5|b"),
            ("abs(-3), sign(-2.5), ceil(1.2), floor(-1.2)", "3|-1|2|-2"),
            ("round(2.5), round(-2.5), round(1.005, 2), trunc(1.999, 2)", "3|-3|1.01|1.99"),
            ("round(2.5::float8), round(1234, -2)", "2|1200"),
            ("sqrt(16), cbrt(27.0), exp(0), ln(1), log(100)", "4|3|1|0|2"),
            ("power(2, 10), pi() > 3.14, mod(7, 3), div(7, 2)", "1024|t|1|3"),
            ("gcd(12, 18), lcm(4, 6), factorial(5)", "6|12|120"),
            ("degrees(pi()), sin(0)", "180|0"),
            ("date_trunc('month', timestamp '2024-03-05 10:00')", "2024-03-01 00:00:00"),
            ("extract(year from date '2024-03-05')", "2024"),
            ("date_part('hour', timestamp '2024-03-05 10:30')", "10"),
            ("extract(epoch from timestamp '1970-01-02')", "86400.000000"),
            ("to_char(timestamp '2024-03-05 10:30', 'YYYY/MM/DD HH24:MI')", "2024/03/05 10:30"),
            ("make_date(2024, 3, 5)", "2024-03-05"),
            ("'abc' LIKE 'a%', 'ABC' ILIKE 'a_c', 'abc' NOT LIKE 'b%'", "t|t|t"),
            ("'abc' ~ '^a.c$', 'ABC' ~* 'b', 'abc' !~ 'x'", "t|t|t"),
            (
                "'abc' SIMILAR TO 'a(b|x)_', 'abc' SIMILAR TO 'b', 'abc' NOT SIMILAR TO 'a%'",
                "t|f|f",
            ),
            ("'{\"a\": {\"b\": [1, 2]}}'::jsonb -> 'a' -> 'b' ->> 0", "1"),
            ("'{\"a\": 1}'::jsonb -> 'x'", "~"),
            ("'[1,2]'::jsonb", "[1, 2]"),
            ("timestamp '2024-07-01 12:00' AT TIME ZONE 'Europe/Berlin'", "2024-07-01 10:00:00+00"),
            (
                "timestamptz '2024-07-01 12:00+00' AT TIME ZONE 'America/New_York'",
                "2024-07-01 08:00:00",
            ),
            ("ARRAY[1, 2, 3], array_length(ARRAY[1, 2], 1), cardinality(ARRAY[1])", "{1,2,3}|2|1"),
            ("2 = ANY (ARRAY[1, 2]), array_to_string(ARRAY['a', 'b'], '-')", "t|a-b"),
            ("string_to_array('a,b', ',')", "{a,b}"),
            ("'1' :: INT8 + '2' :: INT4", "3"),
            ("'a'::STRING, 'b'::VARCHAR(1), 'xyz'::CHAR(2), '\\x41'::BYTES", "a|b|xy|\\x41"),
            ("'{1,2}'::INT[], '10.0.0.1'::INET, ' 5 '::INT", "{1,2}|10.0.0.1|5"),
            ("1.5::INT, 2.5::INT, 2.5::float8::INT, (-0.5)::INT", "2|3|2|-1"),
            ("1::BOOL, true::INT, 't'::BOOL", "t|1|t"),
            ("12.345::DECIMAL(10,2), 1e3::DECIMAL", "12.35|1000"),
            ("TRY_CAST('x' AS INT), TRY_CAST('7' AS INT)", "~|7"),
            ("quote_ident('A b'), quote_literal('a''b')", "\"A b\"|'a''b'"),
            ("@ -5, |/ 9", "5|3"),
        ]
        .map(|(expression, expected)| (format!("SELECT {expression}"), expected)),
    );
    fixture.check(
        "SELECT string_agg(s, ','), bool_and(a > 0), every(a > 1), bool_or(a > 1) FROM t",
        "Ab|t|f|t",
    );
    fixture.check("SELECT array_agg(s) FROM t", "{Ab,NULL}");
    fixture.check("SELECT * FROM generate_series(1, 3)", "1 2 3");
    fixture.check("SELECT g * 2 FROM generate_series(1, 3) AS g", "2 4 6");
    fixture.check("SELECT row_number() OVER (ORDER BY a DESC) FROM t", "1 2");
    fixture.check(
        "SELECT pg_typeof(row_number() OVER ()) , pg_typeof(count(*)) FROM t GROUP BY a",
        "bigint|bigint bigint|bigint",
    );
    fixture.check("SELECT lag(a) OVER (ORDER BY a), avg(a) OVER () FROM t", "~|1.5 1|1.5");
    fixture.check(
        "SELECT count(*) FILTER (WHERE a > 1), sum(DISTINCT a), avg(DISTINCT a) FROM t",
        "1|3|1.5",
    );
    fixture.check("SELECT avg(a::float8), stddev(a) FROM t", "1.5|0.7071067811865476");
    fixture.check("SELECT unique_rowid() < unique_rowid() FROM t", "t t");
    fixture.check("SELECT count(DISTINCT r) FROM (SELECT unique_rowid() AS r FROM t, generate_series(1, 100)) s", "200");
    fixture.check("WITH RECURSIVE r(n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM r WHERE n < 3) SELECT n FROM r", "1 2 3");
    fixture.check("SELECT a FROM t ORDER BY a OFFSET 1 FETCH FIRST 1 ROWS ONLY", "2");
    fixture.check("SELECT s FROM t ORDER BY s", "Ab ~");
    fixture.check("SELECT x FROM (VALUES (1, 'a'), (2, 'b')) AS v(x, y) WHERE y = 'b'", "2");
    fixture.check("SELECT DISTINCT ON (a) a, s FROM t ORDER BY a", "1|Ab 2|~");
}

#[test]
fn sees_moments_in_the_session_time_zone() {
    let mut fixture = Fixture::new();
    fixture.time_zone = "America/New_York".into();
    fixture.check("SELECT current_date, localtimestamp", "2024-03-05|2024-03-05 10:04:09.5");
    fixture.check("SELECT extract(hour from now())", "10");
    fixture.check("SELECT now()::timestamp", "2024-03-05 10:04:09.5");
    fixture.check("SELECT timestamp '2024-03-05 10:00'::timestamptz", "2024-03-05 15:00:00+00");
    fixture.check("SELECT date_trunc('day', now())", "2024-03-05 05:00:00+00");
}
