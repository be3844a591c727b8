//! The five examples of the page that Wharf began with, with the WITH and the closing parenthesis that
//! its text lost, work: nothing is changed but the account, and that `AZURE_ENDPOINT` names the emulator.

use crate::http::encode;
use crate::scene::{GATE, Scene};
use crate::servers::{COMMENTS, Servers};

/// An example: the definition of the table, the end of the data file's name, and the options behind temp.
macro_rules! example {
    ($definition:literal, $end:literal, $options:literal) => {
        concat!(
            "IMPORT TABLE customers",
            $definition,
            "\nCSV DATA ('azure://acme-co/customer-import-data.",
            $end,
            "?AZURE_ACCOUNT_KEY=hash&AZURE_ACCOUNT_NAME=acme-co')\nWITH\n    \
             temp = 'azure://acme-co/temp/?AZURE_ACCOUNT_KEY=hash&AZURE_ACCOUNT_NAME=acme-co'",
            $options
        )
    };
    ($end:literal, $options:literal) => {
        example!(
            " (
        id UUID PRIMARY KEY DEFAULT gen_random_uuid(),
        name TEXT,
        INDEX name_idx (name)
)",
            $end,
            $options
        )
    };
}

/// The examples, and what the table holds afterwards: names in order, NULL as `-`.
const EXAMPLES: &[(&str, &str)] = &[
    (
        example!(
            "
CREATE USING 'azure://acme-co/customer-create-table.sql?AZURE_ACCOUNT_KEY=hash&AZURE_ACCOUNT_NAME=acme-co'",
            "csv",
            ""
        ),
        "|Ada",
    ),
    (example!("csv", ""), "|Ada"),
    (example!("tsc", ",\n    delimiter = e'\\t'"), "Ada|Grace"),
    (example!("tsc", ",\n    comment = '#'"), "Ada"),
    (example!("csv", ",\n    nullif = ''"), "-|Ada"),
];

/// Returns how many examples there are.
pub(crate) fn count() -> usize {
    EXAMPLES.len()
}

/// Runs one of the examples, with `temp` in the emulator as the example has it, or here.
pub(crate) fn check(number: usize, temp_in_azure: bool, servers: &Servers) {
    let (statement, expected) = EXAMPLES[number];
    let endpoint = encode(&format!("http://{}", servers.azure().address));
    // Two examples read a file of one name, once between tabs and once with comments.
    let account = if statement.contains("comment =") { COMMENTS } else { "acme-co" };
    let mut statement = statement.replace(
        "AZURE_ACCOUNT_NAME=acme-co'",
        &format!("AZURE_ACCOUNT_NAME={account}&AZURE_ENDPOINT={endpoint}'"),
    );
    if !temp_in_azure {
        let start = statement.find("temp = '").expect("temp is given") + "temp = '".len();
        let end = start + statement[start..].find('\'').expect("a string ends");
        statement.replace_range(start..end, "tmp");
    }
    let scene = Scene::new();
    let ended = scene.run(&[
        GATE,
        &statement,
        "SELECT string_agg(coalesce(name, '-'), '|' ORDER BY coalesce(name, '-')) FROM customers",
    ]);
    ended.require_success();
    let seen = ended.out.lines().last().unwrap_or_default();
    assert_eq!(seen, expected, "{statement}: {}", ended.out);
    scene.require_no_temp();
}
