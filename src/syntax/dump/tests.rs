//! What real dumps say, statement by statement.

use super::super::ast::{AlterSequence, CreateTable, Ident, ObjectName, Statement};
use super::super::print;
use super::*;
use crate::error::Span;

/// Returns the statements that were read, in words.
fn show(found: &[DumpStatement]) -> String {
    let shown: Vec<String> = found.iter().map(show_one).collect();
    shown.join("; ")
}

fn show_one(statement: &DumpStatement) -> String {
    match statement {
        DumpStatement::Table(table) => {
            let mut elements = table.columns.clone();
            let mut unknown = String::new();
            for element in &table.elements {
                match element {
                    DumpElement::Known(element) => elements.push(element.clone()),
                    DumpElement::Unknown { text, reason } => {
                        unknown.push_str(&format!("; {text}: {reason}"));
                    }
                }
            }
            let next = table.next_number.map(|next| format!(" from {next}")).unwrap_or_default();
            let numbers = table.numbered.as_ref().map(|name| format!("numbers {name}{next}: "));
            format!("{}{}{unknown}", numbers.unwrap_or_default(), create(&table.name, elements))
        }
        DumpStatement::Element { table, element: DumpElement::Known(element) } => {
            create(table, vec![element.clone()])
        }
        DumpStatement::Element { table, element: DumpElement::Unknown { reason, .. } } => {
            format!("{table}: {reason}")
        }
        DumpStatement::Default { table, column, default } => {
            format!("{table}.{column} = {}", default.text)
        }
        DumpStatement::Sequence(sequence) => show_sequence(sequence),
        other => format!("{other:?}"),
    }
}

fn show_sequence(sequence: &DumpSequence) -> String {
    let made = |name: &str, options: &[SequenceOption], verb: &str| {
        let ident = Ident { value: name.to_owned(), span: Span::default() };
        let name = ObjectName { parts: vec![ident], span: Span::default() };
        let (options, if_exists) = (options.to_vec(), false);
        let altered = Statement::AlterSequence(AlterSequence { name, if_exists, options });
        print(&altered, &str::to_owned).replacen("ALTER", verb, 1)
    };
    match sequence {
        DumpSequence::Create { name, options } => made(name, options, "CREATE"),
        DumpSequence::Change { name, options } => made(name, options, "ALTER"),
        DumpSequence::Value { name, value, called } => {
            format!("{name} at {value}{}", if *called { ", given" } else { "" })
        }
        DumpSequence::Column { table, column, name, options } => {
            let options = made("s", options, "ALTER").replace("ALTER SEQUENCE s", "");
            format!("{table}.{column} from {}{options}", name.as_deref().unwrap_or("?"))
        }
        DumpSequence::Next { table, value } => format!("{table} from {value}"),
    }
}

fn create(name: &str, elements: Vec<TableElement>) -> String {
    let ident = Ident { value: name.to_owned(), span: Span::default() };
    let name = ObjectName { parts: vec![ident], span: Span::default() };
    let create = CreateTable { name, if_not_exists: false, elements, query: None };
    print(&Statement::CreateTable(create), &str::to_owned)
}

fn postgres(text: &str, expected: &str) {
    let mut enums = Enums::new();
    enums.insert("mood".to_owned(), vec!["ok".to_owned(), "it's bad".to_owned()]);
    let found = read_postgres(text, &enums).unwrap_or_else(|error| panic!("{text}: {error}"));
    assert_eq!(show(&found), expected, "{text}");
}

fn mysql(text: &str, expected: &str) {
    let found = read_mysql(text).unwrap_or_else(|error| panic!("{text}: {error}"));
    assert_eq!(show(&found), expected, "{text}");
}

#[test]
fn reads_tables_of_postgres() {
    postgres(
        "CREATE TABLE public.t (\n id integer DEFAULT nextval('public.s'::regclass) NOT NULL,\n \
         name character varying(80) DEFAULT 'a::b'::character varying,\n m public.mood DEFAULT 'ok'::public.mood,\n \
         at timestamp(3) without time zone DEFAULT now(),\n \"Odd \"\"name\" text COLLATE pg_catalog.\"C\",\n \
         ms public.mood[],\n d integer GENERATED ALWAYS AS ((id * 2)) STORED,\n \
         CONSTRAINT c CHECK (((name)::text = ANY ((ARRAY['a'::character varying])::text[])))\n) WITH (fillfactor='70')",
        "CREATE TABLE t (id integer DEFAULT nextval('public.s') NOT NULL, name character varying(80) DEFAULT 'a::b'::CHARACTER VARYING, m STRING DEFAULT 'ok'::STRING CHECK (\"m\" IN ('ok', 'it''s bad')), at timestamp without time zone DEFAULT now(), \"Odd \"\"name\" text COLLATE \"C\", ms STRING[], d integer AS ((id * 2)) STORED, CONSTRAINT c CHECK (((name)::TEXT = ANY((ARRAY['a'::CHARACTER VARYING])::TEXT[]))))",
    );
    postgres(
        "CREATE TABLE app.t (a integer)",
        "Unsupported(Some(\"schema \\\"app\\\" does not exist\"))",
    );
    postgres(
        "CREATE TABLE t (a integer) PARTITION BY RANGE (a)",
        "Unsupported(Some(\"PARTITION is not supported\"))",
    );
}

#[test]
fn reads_keys_and_indexes_of_postgres() {
    postgres(
        "ALTER TABLE ONLY public.t\n ADD CONSTRAINT t_pkey PRIMARY KEY (id, \"position\")",
        "CREATE TABLE t (CONSTRAINT t_pkey PRIMARY KEY (id, \"position\"))",
    );
    postgres(
        "ALTER TABLE ONLY public.t ADD CONSTRAINT f FOREIGN KEY (a) REFERENCES public.u(id) ON DELETE RESTRICT DEFERRABLE INITIALLY DEFERRED",
        "CREATE TABLE t (CONSTRAINT f FOREIGN KEY (a) REFERENCES u (id) ON DELETE RESTRICT)",
    );
    postgres(
        "CREATE UNIQUE INDEX i ON public.t USING btree (a DESC NULLS LAST, b text_pattern_ops) INCLUDE (c) WITH (fillfactor='70')",
        "CREATE TABLE t (UNIQUE INDEX i (a DESC, b) STORING (c))",
    );
    postgres("CREATE INDEX i ON public.t USING gin (a)", "t: an index by gin is not supported");
    postgres(
        "CREATE INDEX i ON public.t USING btree (lower(a))",
        "t: an index on an expression is not supported",
    );
    postgres(
        "CREATE INDEX i ON public.t USING btree (a) WHERE (a > 1)",
        "t: WHERE in an index definition is not supported",
    );
}

#[test]
fn reads_the_rest_of_postgres() {
    for (text, expected) in [
        ("SET statement_timeout = 0", "PassedOver"),
        ("SET client_encoding = 'LATIN1'", "Encoding(\"LATIN1\")"),
        ("SET standard_conforming_strings = off", "Backslash(true)"),
        ("SELECT pg_catalog.set_config('search_path', '', false)", "PassedOver"),
        ("SELECT pg_catalog.setval('public.s', 500, true)", "s at 500, given"),
        ("SELECT pg_catalog.setval('public.\"S\"', -1, false)", "S at -1"),
        ("SELECT setval(pg_get_serial_sequence('t', 'id'), 5)", "Unsupported(None)"),
        (
            "CREATE SEQUENCE public.s\n AS integer\n START WITH 1\n INCREMENT BY -1\n NO MINVALUE\n NO MAXVALUE\n CACHE 1",
            "CREATE SEQUENCE s AS integer START WITH 1 INCREMENT BY -1 NO MINVALUE NO MAXVALUE CACHE 1",
        ),
        ("CREATE UNLOGGED SEQUENCE public.s", "CREATE SEQUENCE s"),
        (
            "ALTER SEQUENCE public.s OWNED BY public.t.\"Id\"",
            "ALTER SEQUENCE s OWNED BY public.t.\"Id\"",
        ),
        ("ALTER SEQUENCE public.s OWNER TO x", "PassedOver"),
        ("ALTER SEQUENCE public.s RENAME TO r", "Unsupported(None)"),
        ("CREATE SEQUENCE app.s", "Unsupported(Some(\"schema \\\"app\\\" does not exist\"))"),
        (
            "CREATE TYPE public.mood AS ENUM (\n 'a',\n 'it''s'\n)",
            "Enum { name: \"mood\", labels: [\"a\", \"it's\"] }",
        ),
        ("CREATE DOMAIN d AS integer", "Unsupported(None)"),
        ("ALTER TABLE public.t OWNER TO x", "PassedOver"),
        ("ALTER FUNCTION public.add(a integer, b integer) OWNER TO postgres", "PassedOver"),
        (
            "ALTER TABLE ONLY public.t ALTER COLUMN id SET DEFAULT nextval('public.s'::regclass)",
            "t.id = nextval('public.s')",
        ),
        (
            "ALTER TABLE public.t ALTER COLUMN id ADD GENERATED BY DEFAULT AS IDENTITY (\n SEQUENCE NAME public.s\n START WITH 5\n)",
            "t.id from s START WITH 5",
        ),
        ("ALTER TABLE public.t ALTER COLUMN id ADD GENERATED ALWAYS AS IDENTITY", "t.id from ?"),
        (
            "ALTER TABLE ONLY public.t ATTACH PARTITION public.p FOR VALUES IN (1)",
            "Unsupported(None)",
        ),
        ("CREATE VIEW v AS SELECT 1", "Unsupported(None)"),
        (
            "SET search_path = app, pg_catalog",
            "Unsupported(Some(\"schema \\\"app\\\" does not exist\"))",
        ),
    ] {
        postgres(text, expected);
    }
}

#[test]
fn reads_tables_of_mysql() {
    mysql(
        "CREATE TABLE `t` (\n `id` bigint(20) unsigned NOT NULL AUTO_INCREMENT,\n `Na``me` varchar(80) CHARACTER SET utf8mb4 COLLATE utf8mb4_bin NOT NULL DEFAULT '' COMMENT 'it\\'s; it',\n \
         `mood` enum('a','it''s') DEFAULT 'a',\n `b` bit(8) DEFAULT b'101',\n `n` int(11) DEFAULT '7',\n `f` double DEFAULT -1.5,\n \
         `j` longtext CHARACTER SET utf8mb4 DEFAULT NULL CHECK (json_valid(`j`)),\n `at` timestamp NOT NULL DEFAULT current_timestamp() ON UPDATE current_timestamp(),\n \
         `z` datetime(6) DEFAULT '0000-00-00 00:00:00',\n `g` int(11) GENERATED ALWAYS AS (`id` + 1) VIRTUAL,\n `u` char(36) DEFAULT uuid(),\n `c` int CHECK (`c` <> 2),\n `by` varbinary(20),\n\
         PRIMARY KEY (`id`),\n UNIQUE KEY `u` (`Na``me`(10)) USING BTREE,\n KEY `k` (`n` DESC,`f`),\n FULLTEXT KEY `ft` (`Na``me`),\n \
         CONSTRAINT `fk` FOREIGN KEY (`n`) REFERENCES `o` (`id`) ON DELETE CASCADE,\n CONSTRAINT `ch` CHECK (`n` > _utf8mb4'3' and `n` is not null)\n) ENGINE=InnoDB AUTO_INCREMENT=5 DEFAULT CHARSET=utf8mb4",
        "numbers id from 5: CREATE TABLE t (id INT8 NOT NULL, \"Na`me\" VARCHAR(80) NOT NULL DEFAULT '', mood STRING DEFAULT 'a' CHECK (\"mood\" IN ('a', 'it''s')), b INT8 DEFAULT 5, n INT4 DEFAULT 7, f FLOAT8 DEFAULT -1.5, j JSONB DEFAULT NULL, at TIMESTAMPTZ NOT NULL DEFAULT current_timestamp, z TIMESTAMP, g INT4 AS (\"id\" + 1) STORED, u CHAR(36) DEFAULT gen_random_uuid(), c INT4 CHECK (\"c\" <> 2), by BYTES, PRIMARY KEY (id), CONSTRAINT u UNIQUE (\"Na`me\"), INDEX k (n DESC, f), CONSTRAINT fk FOREIGN KEY (n) REFERENCES o (id) ON DELETE CASCADE, CONSTRAINT ch CHECK (\"n\" > '3' AND \"n\" IS NOT NULL)); FULLTEXT KEY \"ft\" ( \"Na`me\" ): a fulltext index is not supported",
    );
}

#[test]
fn reads_the_rest_of_mysql() {
    for (text, expected) in [
        ("/*!40101 SET NAMES utf8mb4 */", "Encoding(\"utf8mb4\")"),
        ("/*!40103 SET TIME_ZONE='+00:00' */", "PassedOver"),
        ("/*!40000 ALTER TABLE `t` DISABLE KEYS */", "PassedOver"),
        ("DROP TABLE IF EXISTS `t`", "PassedOver"),
        ("/*!50001 CREATE VIEW `v` AS SELECT\n 1 AS `id` */", "LeftOut(\"view\")"),
        (
            "/*!50003 CREATE*/ /*!50017 DEFINER=`root`@`localhost`*/ /*!50003 TRIGGER tr BEFORE INSERT ON t FOR EACH ROW BEGIN a; END */",
            "LeftOut(\"trigger\")",
        ),
        (
            "ALTER TABLE `t` ADD PRIMARY KEY (`id`), ADD KEY `k` (`a`)",
            "CREATE TABLE t (PRIMARY KEY (id)); CREATE TABLE t (INDEX k (a))",
        ),
        (
            "ALTER TABLE `t` MODIFY `id` int NOT NULL AUTO_INCREMENT, AUTO_INCREMENT=5",
            "t.id from ?; t from 5",
        ),
        ("CREATE VIEW v AS SELECT 1", "Unsupported(None)"),
        ("UPDATE t SET a = 1", "Unsupported(None)"),
    ] {
        mysql(text, expected);
    }
}

#[test]
fn reads_heads_of_rows() {
    let head = |text, mysql| read_rows_head(text, mysql).unwrap();
    let columns = |names: &[&str]| Some(names.iter().map(|name| (*name).to_owned()).collect());
    let found = head("COPY public.t (a, \"Odd \"\"name\") FROM stdin", false);
    assert_eq!(found, RowsHead { table: Some("t".into()), columns: columns(&["a", "Odd \"name"]) });
    let found = head("INSERT INTO `T` (`a`,`b``c`)", true);
    assert_eq!(found, RowsHead { table: Some("T".into()), columns: columns(&["a", "b`c"]) });
    assert_eq!(head("INSERT INTO app.t", false), RowsHead { table: None, columns: None });
    let overriding = head("INSERT INTO t OVERRIDING SYSTEM VALUE", false);
    assert_eq!(overriding, RowsHead { table: Some("t".into()), columns: None });
    assert!(read_rows_head("COPY", false).is_err());
    assert!(read_rows_head("INSERT INTO t (a b)", false).is_err());
}
