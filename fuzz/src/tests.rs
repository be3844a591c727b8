//! Every seed of every target.

use std::path::Path;

/// Runs `check` on the seeds of a target.
#[track_caller]
fn run(target: &str, check: fn(&[u8])) {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let ours = root.join("seeds");
    let seeds = if ours.is_dir() { ours } else { root.join("fuzz/seeds") };
    let mut count = 0;
    for entry in std::fs::read_dir(seeds.join(target)).expect("the seeds are part of the project") {
        let path = entry.expect("an entry can be read").path();
        check(&std::fs::read(&path).expect("a seed can be read"));
        count += 1;
    }
    assert!(count > 5, "{target} has {count} seeds");
    check(b"");
}

#[test]
fn csv_holds_for_its_seeds() {
    run("csv", super::csv);
}

#[test]
fn sql_holds_for_its_seeds() {
    run("sql", super::sql);
}

#[test]
fn url_holds_for_its_seeds() {
    run("url", super::url);
}

#[test]
fn options_hold_for_their_seeds() {
    run("options", super::options);
}

#[test]
fn dump_holds_for_its_seeds() {
    run("dump", super::dump);
}

/// Texts of bytes that structure CSV, the same in every run; `WHARF_RANDOM_TEXTS` says how many.
#[test]
#[expect(clippy::disallowed_methods, reason = "a test may be asked for more")]
fn csv_holds_for_random_texts() {
    let wanted = std::env::var("WHARF_RANDOM_TEXTS").ok().and_then(|text| text.parse().ok());
    let mut state = 0x9e37_79b9_7f4a_7c15_u64;
    let mut next = || {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        let [.., high, highest] = state.to_le_bytes();
        (highest, usize::from(high))
    };
    for _ in 0..wanted.unwrap_or(3_000) {
        let mut text: Vec<u8> = (0..9).map(|_| next().0).collect();
        let length = next().1 % 60;
        text.extend((0..length).map(|_| b"\"\"\"\"'',,,,\n\n\n\r\r\\#b "[next().1 % 19]));
        let checked = std::panic::catch_unwind(|| super::csv(&text));
        assert!(checked.is_ok(), "{text:?}");
    }
}
