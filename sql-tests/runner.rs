//! Runs the golden SQL tests beside this file under `cargo test`; `cargo golden` rewrites what they
//! expect.

use std::path::Path;
use std::process::ExitCode;

fn main() -> ExitCode {
    let root = Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/sql-tests"));
    wharf::shell::golden::run_tests(root, std::env::args())
}
