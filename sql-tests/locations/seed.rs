//! The five examples of the page that Wharf began with, with the WITH and the closing parenthesis that
//! its text lost, work: nothing is changed but the account, and that `AZURE_ENDPOINT` names the emulator.

use crate::http::encode;
use crate::scene::{GATE, Scene};
use crate::servers::{COMMENTS, Servers};

/// The examples, and what the table holds afterwards: names in order, NULL as `-`.
const EXAMPLES: &[(&str, &str)] = &[
    (
        "IMPORT TABLE customers
CREATE USING 'azure://acme-co/customer-create-table.sql?AZURE_ACCOUNT_KEY=hash&AZURE_ACCOUNT_NAME=acme-co'
CSV DATA ('azure://acme-co/customer-import-data.csv?AZURE_ACCOUNT_KEY=hash&AZURE_ACCOUNT_NAME=acme-co')
WITH
    temp = 'azure://acme-co/temp/?AZURE_ACCOUNT_KEY=hash&AZURE_ACCOUNT_NAME=acme-co'",
        "|Ada",
    ),
    (
        "IMPORT TABLE customers (
        id UUID PRIMARY KEY DEFAULT gen_random_uuid(),
        name TEXT,
        INDEX name_idx (name)
)
CSV DATA ('azure://acme-co/customer-import-data.csv?AZURE_ACCOUNT_KEY=hash&AZURE_ACCOUNT_NAME=acme-co')
WITH
    temp = 'azure://acme-co/temp/?AZURE_ACCOUNT_KEY=hash&AZURE_ACCOUNT_NAME=acme-co'",
        "|Ada",
    ),
    (
        "IMPORT TABLE customers (
        id UUID PRIMARY KEY DEFAULT gen_random_uuid(),
        name TEXT,
        INDEX name_idx (name)
)
CSV DATA ('azure://acme-co/customer-import-data.tsc?AZURE_ACCOUNT_KEY=hash&AZURE_ACCOUNT_NAME=acme-co')
WITH
    temp = 'azure://acme-co/temp/?AZURE_ACCOUNT_KEY=hash&AZURE_ACCOUNT_NAME=acme-co',
    delimiter = e'\\t'",
        "Ada|Grace",
    ),
    (
        "IMPORT TABLE customers (
        id UUID PRIMARY KEY DEFAULT gen_random_uuid(),
        name TEXT,
        INDEX name_idx (name)
)
CSV DATA ('azure://acme-co/customer-import-data.tsc?AZURE_ACCOUNT_KEY=hash&AZURE_ACCOUNT_NAME=acme-co')
WITH
    temp = 'azure://acme-co/temp/?AZURE_ACCOUNT_KEY=hash&AZURE_ACCOUNT_NAME=acme-co',
    comment = '#'",
        "Ada",
    ),
    (
        "IMPORT TABLE customers (
        id UUID PRIMARY KEY DEFAULT gen_random_uuid(),
        name TEXT,
        INDEX name_idx (name)
)
CSV DATA ('azure://acme-co/customer-import-data.csv?AZURE_ACCOUNT_KEY=hash&AZURE_ACCOUNT_NAME=acme-co')
WITH
    temp = 'azure://acme-co/temp/?AZURE_ACCOUNT_KEY=hash&AZURE_ACCOUNT_NAME=acme-co',
    nullif = ''",
        "-|Ada",
    ),
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
