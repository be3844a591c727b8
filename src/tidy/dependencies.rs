//! What we build on: licences that we may ship, and one version of the crates that must agree.
//!
//! It checks what `cargo deny` checks by the same file, where `cargo deny` is not installed.

use std::process::Command;

use serde_json::Value;

use super::{Faults, scan};

/// Crates whose types cross our modules or DataFusion's: a second version would not fit.
const SINGLE: &[&str] = &["sqlparser", "arrow", "arrow-array", "object_store", "parquet"];

#[test]
fn licences_are_allowed() {
    let deny = scan::read(".deny.toml").expect(".deny.toml is part of the project");
    let allowed = list_after(&deny, "allow = [");
    let mut faults = Faults::default();
    for package in packages() {
        let name = format!("{} {}", text(&package, "name"), text(&package, "version"));
        let licence = text(&package, "license");
        if !is_allowed(licence, &allowed) {
            faults.add(name, format!("licence {licence:?} is not allowed"));
        }
    }
    faults.report(
        "every dependency has a licence that .deny.toml allows",
        "do without the crate, or have its licence looked at and add it there",
    );
}

#[test]
fn crates_that_must_agree_have_one_version() {
    let lock = scan::read("Cargo.lock").expect("Cargo.lock is part of the project");
    let mut faults = Faults::default();
    for name in SINGLE {
        let count = lock.matches(&format!("name = \"{name}\"\n")).count();
        if count != 1 {
            faults.add("Cargo.lock:1", format!("{count} versions of {name}"));
        }
    }
    faults.report(
        "one version each of the crates that we share with DataFusion",
        "take the version that DataFusion uses",
    );
}

/// Packages of the fuzz targets alone.
const FUZZING: &[&str] = &["arbitrary", "libfuzzer-sys", "wharf-fuzz"];

#[test]
fn fuzz_targets_are_built_with_our_versions() {
    let ours = locked("Cargo.lock");
    let theirs = locked("fuzz/Cargo.lock");
    let mut faults = Faults::default();
    for (name, version) in &theirs {
        let known = ours.iter().any(|(our, same)| our == name && same == version);
        if !known && !FUZZING.contains(&name.as_str()) {
            faults.add("fuzz/Cargo.lock:1", format!("{name} {version} is not in Cargo.lock"));
        }
    }
    let manifest = scan::read("Cargo.toml").expect("Cargo.toml is part of the project");
    let section = manifest.split("[dependencies]\n").nth(1).unwrap_or_default();
    let section = section.split("\n[").next().unwrap_or_default();
    for name in section.lines().filter_map(|line| line.split_once(" = ")).map(|(name, _)| name) {
        if theirs.iter().all(|(theirs, _)| theirs != name) {
            faults.add("fuzz/Cargo.lock:1", format!("{name} is missing"));
        }
    }
    faults.report(
        "the targets of fuzz/ are built with the crates of Cargo.lock",
        "copy Cargo.lock to fuzz/ and run cargo metadata there",
    );
}

/// Returns the names and versions in a lock file.
fn locked(path: &str) -> Vec<(String, String)> {
    let lock = scan::read(path).expect("lock files are part of the project");
    let value = |package: &str, key: &str| {
        let rest = package.split(&format!("\n{key} = \"")).nth(1)?;
        rest.split('"').next().map(str::to_owned)
    };
    let packages = lock.split("[[package]]").skip(1);
    packages.filter_map(|one| Some((value(one, "name")?, value(one, "version")?))).collect()
}

#[test]
fn licence_expressions_are_understood() {
    let allowed = ["MIT".to_owned(), "Zlib".to_owned(), "A WITH b".to_owned()];
    let check = |licence: &str, expected: bool| {
        assert_eq!(is_allowed(licence, &allowed), expected, "{licence}");
    };
    check("MIT", true);
    check("GPL-3.0", false);
    check("MIT OR GPL-3.0", true);
    check("GPL-3.0/MIT", true);
    check("MIT AND GPL-3.0", false);
    check("(GPL-3.0 OR MIT) AND Zlib", true);
    check("(MIT OR Zlib) AND GPL-3.0", false);
    check("A WITH b OR GPL-3.0", true);
    check("A", false);
    check("", false);
}

/// Returns the packages that are built here, except our own.
fn packages() -> Vec<Value> {
    let host = run(Command::new("rustc").arg("-vV"));
    let host = host.lines().find_map(|line| line.strip_prefix("host: ")).expect("rustc has a host");
    let metadata = run(Command::new(env!("CARGO"))
        .args(["metadata", "--format-version", "1", "--locked", "--offline"])
        .args(["--filter-platform", host])
        .current_dir(env!("CARGO_MANIFEST_DIR")));
    let metadata: Value = serde_json::from_str(&metadata).expect("cargo prints JSON");
    let packages = metadata["packages"].as_array().expect("cargo lists packages").clone();
    packages.into_iter().filter(|package| !package["source"].is_null()).collect()
}

fn run(command: &mut Command) -> String {
    let output = command.output().expect("cargo and rustc can be run");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).expect("cargo and rustc print UTF-8")
}

fn text<'a>(package: &'a Value, key: &str) -> &'a str {
    package[key].as_str().unwrap_or_default()
}

/// Returns the strings of a list in a TOML file.
fn list_after(toml: &str, start: &str) -> Vec<String> {
    let list = toml.split(start).nth(1).and_then(|rest| rest.split(']').next()).unwrap_or_default();
    list.split('"').skip(1).step_by(2).map(str::to_owned).collect()
}

/// Returns whether an SPDX expression can be met with the licences in `allowed`.
fn is_allowed(expression: &str, allowed: &[String]) -> bool {
    let spaced = expression.replace('(', " ( ").replace(')', " ) ").replace('/', " OR ");
    let mut tokens = spaced.split_whitespace().peekable();
    any_of(&mut tokens, allowed)
}

type Tokens<'a> = std::iter::Peekable<std::str::SplitWhitespace<'a>>;

fn any_of(tokens: &mut Tokens<'_>, allowed: &[String]) -> bool {
    let mut met = all_of(tokens, allowed);
    while tokens.next_if_eq(&"OR").is_some() {
        met |= all_of(tokens, allowed);
    }
    met
}

fn all_of(tokens: &mut Tokens<'_>, allowed: &[String]) -> bool {
    let mut met = one(tokens, allowed);
    while tokens.next_if_eq(&"AND").is_some() {
        met &= one(tokens, allowed);
    }
    met
}

fn one(tokens: &mut Tokens<'_>, allowed: &[String]) -> bool {
    match tokens.next() {
        Some("(") => {
            let met = any_of(tokens, allowed);
            tokens.next();
            met
        }
        Some(name) => {
            let name = match tokens.next_if_eq(&"WITH").and_then(|_| tokens.next()) {
                Some(exception) => format!("{name} WITH {exception}"),
                None => name.to_owned(),
            };
            allowed.contains(&name)
        }
        None => false,
    }
}
