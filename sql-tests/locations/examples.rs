//! The examples of docs/locations.md that need a server run: the blocks marked `sql server`, in order in
//! one database, with the servers of the tests in the place of those that the page names.

use std::fs;

use crate::scene::Scene;
use crate::servers::Servers;
use crate::store::Store;

/// The page.
const PAGE: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/docs/locations.md");

/// Runs all examples.
pub(crate) fn check(servers: &Servers) {
    let page = fs::read(PAGE).expect("the page is there");
    let page = String::from_utf8(page).expect("the page is text");
    let scene = Scene::new();
    let mut count = 0;
    for block in page.split("```sql server\n").skip(1) {
        let text = block.split("```").next().unwrap_or_default();
        fs::write(scene.path("example.sql"), replaced(text, servers)).expect("a script");
        let ended = scene.run_words(&["-f", "example.sql"]);
        assert_eq!(ended.code, Some(0), "{text}{}", ended.err);
        count += 1;
    }
    assert!(count > 5, "only {count} examples were found");
}

/// Returns a statement whose URLs name the same files of servers that run.
fn replaced(text: &str, servers: &Servers) -> String {
    let pieces = text.split('\'').enumerate().map(|(number, piece)| {
        // Every other piece is the inside of a string.
        let url = if number % 2 == 1 { piece.split_once("://") } else { None };
        let Some((scheme, rest)) = url else { return piece.to_owned() };
        let store = match scheme {
            "s3" => Store::S3,
            "gs" => Store::Gs,
            "azure" => Store::Azure,
            _ => Store::Http,
        };
        let path = rest.split('?').next().unwrap_or_default();
        let (_, name) = path.split_once('/').unwrap_or_default();
        store.url(servers, name)
    });
    pieces.collect::<Vec<_>>().join("'")
}
