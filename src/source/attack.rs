//! Attempts to reach files that must not be reached, and the plain use of `Access` beside them.

use std::fs;
use std::os::unix::fs::symlink;
use std::os::unix::net::UnixListener;
use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};

use super::*;
use crate::error::{Error, SqlState};

const SECRET: &str = "canary";

/// A machine with an `extern` directory, a secret beside it and a working directory.
struct Scene {
    directory: tempfile::TempDir,
    access: Access,
}

impl Scene {
    fn new() -> Self {
        let directory = tempfile::tempdir().unwrap();
        let base = directory.path();
        for made in ["extern/d", "extern-evil", "work/sub"] {
            fs::create_dir_all(base.join(made)).unwrap();
        }
        for secret in ["secret", "extern-evil/x", "work/secret"] {
            fs::write(base.join(secret), SECRET).unwrap();
        }
        for inside in ["extern/x", "extern/d/x", "work/a.csv", "work/b.csv", "work/sub/c.csv"] {
            fs::write(base.join(inside), inside).unwrap();
        }
        let access = Access::new(AccessOptions {
            external_io_directory: Some(base.join("extern")),
            working_directory: base.join("work"),
        });
        Self { directory, access }
    }

    fn path(&self, path: &str) -> std::path::PathBuf {
        self.directory.path().join(path)
    }

    fn read(&self, text: &str) -> Result<String, Error> {
        let location = Location::parse(text)?;
        for place in self.access.expand(&location)? {
            self.access.open(&place)?;
        }
        self.access.read_text(&location, 1000)
    }

    fn check(&self, text: &str, content: &str) {
        assert_eq!(self.read(text).unwrap(), content, "{text}");
    }

    fn refused(&self, text: &str, code: SqlState) -> Error {
        let error = self.read(text).expect_err(text);
        assert_eq!(error.code(), code, "{text}: {error:?}");
        error
    }

    fn names(&self, text: &str) -> Vec<String> {
        let places = self.access.expand(&Location::parse(text).unwrap()).unwrap();
        places.iter().map(ToString::to_string).collect()
    }
}

#[test]
fn opens_places_of_every_form() {
    let scene = Scene::new();
    scene.check("a.csv", "work/a.csv");
    scene.check("./sub/../a.csv", "work/a.csv");
    scene.check("file:a.csv", "work/a.csv");
    scene.check(&format!("file://{}", scene.path("work/a.csv").display()), "work/a.csv");
    scene.check("nodelocal://1/x", "extern/x");
    scene.check("nodelocal://x", "extern/x");
    scene.check("nodelocal://self/d//x", "extern/d/x");
    scene.check("nodelocal:///d/./x", "extern/d/x");
    scene.check("nodelocal://d/%78", "extern/d/x");
}

#[test]
fn starts_relative_paths_at_the_working_directory() {
    let scene = Scene::new();
    let moved = scene.access.with_working_directory(scene.path("work/sub"));
    let place = Location::parse("c.csv").unwrap();
    assert_eq!(moved.read_text(&place, 100).unwrap(), "work/sub/c.csv");
    assert_eq!(moved.absolute(&place), scene.path("work/sub/c.csv").to_string_lossy());
    let dotted = Location::parse("./sub//c.csv").unwrap();
    assert_eq!(scene.access.absolute(&dotted), scene.path("work/sub/c.csv").to_string_lossy());
    let url = Location::parse("nodelocal://7/a%20b").unwrap();
    let absolute = scene.access.absolute(&url);
    assert_eq!(absolute, "nodelocal:///a%20b");
    assert_eq!(Location::parse(&absolute).unwrap().path(), Path::new("a b"));
}

#[test]
fn stays_beneath_the_external_directory() {
    let scene = Scene::new();
    let escapes = SqlState::INSUFFICIENT_PRIVILEGE;
    let missing = SqlState::UNDEFINED_FILE;
    for host in [
        "nodelocal://1/",
        "nodelocal://self/",
        "nodelocal:///",
        "nodelocal:/",
        "nodelocal:",
        "nodelocal://",
    ] {
        for climb in [
            "../secret",
            "..%2fsecret",
            "..%2Fsecret",
            "%2e%2e/secret",
            "%2E%2e%2Fsecret",
            ".%2e/secret",
            "..\\secret",
            "..%5csecret",
            "d/../../secret",
            "d/..%2f..%2fsecret",
            "../extern-evil/x",
            "./../extern-evil/x",
            "d/.././../secret",
            "..",
            "../",
            "../*",
            "d/../../s*",
            "%2e%2e%2f*",
            "*/../../secret",
            "x/../../secret",
            "../../../../../../../../etc/passwd",
        ] {
            scene.refused(&format!("{host}{climb}"), escapes);
        }
        for absent in [
            "/etc/passwd",
            "//etc/passwd",
            "%2fetc%2fpasswd",
            "%252e%252e/secret",
            "..%252fsecret",
            "...//secret",
            "~/secret",
            "$HOME/secret",
            "file:/etc/passwd",
            "-evil/x",
        ] {
            scene.refused(&format!("{host}{absent}"), missing);
        }
        for malformed in
            ["x%00", "%00/../secret", "x?../secret", "x#@secret", "x%", "x\r\n", "\u{7f}"]
        {
            scene.refused(&format!("{host}{malformed}"), SqlState::INVALID_PARAMETER_VALUE);
        }
    }
}

#[test]
fn follows_no_link_out() {
    let scene = Scene::new();
    symlink(scene.path("secret"), scene.path("extern/absolute")).unwrap();
    symlink("../secret", scene.path("extern/relative")).unwrap();
    symlink("..", scene.path("extern/up")).unwrap();
    symlink("/", scene.path("extern/root")).unwrap();
    symlink("/proc/self/environ", scene.path("extern/environ")).unwrap();
    symlink("/proc/self/cwd", scene.path("extern/magic")).unwrap();
    symlink("loop", scene.path("extern/loop")).unwrap();
    symlink("relative", scene.path("extern/chain")).unwrap();
    for link in [
        "absolute",
        "relative",
        "up/secret",
        "up/extern-evil/x",
        "root/etc/passwd",
        "environ",
        "magic/Cargo.toml",
        "loop",
        "chain",
        "root/dev/zero",
        "up/s*",
        "rel*",
        "up/extern/x",
    ] {
        let text = format!("nodelocal://1/{link}");
        let error = scene.refused(&text, SqlState::INSUFFICIENT_PRIVILEGE);
        assert_eq!(
            error.message(),
            format!(
                "\"{}\" leads outside the directory of external files",
                text.replace("rel*", "relative")
            )
        );
    }
    symlink("d/x", scene.path("extern/inside")).unwrap();
    scene.check("nodelocal://1/inside", "extern/d/x");
    scene.refused("nodelocal://1/nowhere/x", SqlState::UNDEFINED_FILE);
}

/// A hard link is a name of a file like any other: the file system knows of none before it. So a file
/// that has one in the directory of external files is in there.
#[test]
fn takes_a_hard_link_for_the_file_and_never_writes_through_it() {
    let scene = Scene::new();
    fs::hard_link(scene.path("secret"), scene.path("extern/hard")).unwrap();
    scene.check("nodelocal://1/hard", SECRET);
    // What is no regular file is none by any name.
    let socket = UnixListener::bind(scene.path("socket")).unwrap();
    fs::hard_link(scene.path("socket"), scene.path("extern/socket")).unwrap();
    scene.refused("nodelocal://1/socket", SqlState::INVALID_PARAMETER_VALUE);
    drop(socket);
    // A file that is replaced loses the name, and keeps what is in it.
    let place = Location::parse("nodelocal://1/").unwrap();
    let output = scene.access.output_directory(&place, 7, &scene.path("spool")).unwrap();
    let mut file = output.create("hard").unwrap();
    std::io::Write::write_all(&mut file, b"written").unwrap();
    file.finish().unwrap();
    output.publish(&["hard".to_owned()], true).unwrap();
    drop(output);
    scene.check("nodelocal://1/hard", "written");
    assert_eq!(fs::read(scene.path("secret")).unwrap(), SECRET.as_bytes());
    // A directory of temporary files is made, and no file of it was there before.
    let temp = scene.access.temp_directory(&place, 7).unwrap();
    fs::hard_link(scene.path("secret"), Path::new(&temp.record()).join("run-1")).unwrap();
    assert!(temp.create("run-1").is_err());
    temp.close().unwrap();
    assert_eq!(fs::read(scene.path("secret")).unwrap(), SECRET.as_bytes());
}

#[test]
fn reads_what_it_checked_while_a_link_is_swapped() {
    let scene = Scene::new();
    let (target, spare) = (scene.path("extern/swapped"), scene.path("extern/spare"));
    let (link, harmless) = (scene.path("extern/link"), scene.path("extern/x"));
    let stop = AtomicBool::new(false);
    let place = Location::parse("nodelocal://1/swapped").unwrap();
    std::thread::scope(|scope| {
        scope.spawn(|| {
            while !stop.load(Ordering::Relaxed) {
                fs::copy(&harmless, &spare).unwrap();
                fs::rename(&spare, &target).unwrap();
                symlink("../secret", &link).unwrap();
                fs::rename(&link, &target).unwrap();
            }
        });
        let (mut read, mut refused) = (0, 0);
        // Both sides must have had their turns, or nothing was raced.
        for round in 0..100_000 {
            if round >= 1000 && read > 100 && refused > 100 {
                break;
            }
            match scene.access.read_text(&place, 100) {
                Ok(text) => {
                    assert_ne!(text, SECRET);
                    read += 1;
                }
                Err(error) => {
                    let codes = [
                        SqlState::INSUFFICIENT_PRIVILEGE,
                        SqlState::UNDEFINED_FILE,
                        SqlState::OBJECT_NOT_IN_PREREQUISITE_STATE,
                    ];
                    assert!(codes.contains(&error.code()), "{error:?}");
                    refused += 1;
                }
            }
        }
        stop.store(true, Ordering::Relaxed);
        assert!(read > 0 && refused > 0, "{read} read, {refused} refused");
    });
}

#[test]
fn opens_regular_files_only() {
    let scene = Scene::new();
    for directory in ["extern", "work"] {
        let fifo = scene.path(directory).join("fifo");
        rustix::fs::mknodat(
            rustix::fs::CWD,
            &fifo,
            rustix::fs::FileType::Fifo,
            rustix::fs::Mode::from(0o600),
            0,
        )
        .unwrap();
    }
    let _socket = UnixListener::bind(scene.path("work/socket")).unwrap();
    for irregular in [
        "fifo",
        "nodelocal://1/fifo",
        "socket",
        "/dev/zero",
        "/dev/null",
        "/proc/self/environ",
        "file:///proc/self/environ",
        "file:///dev/zero",
        "/proc/self/mem",
        "/sys/kernel/notes",
        "f*fo",
    ] {
        let error = scene.refused(irregular, SqlState::INVALID_PARAMETER_VALUE);
        assert!(error.message().ends_with("is not a regular file"), "{error}");
    }
    for directory in ["sub", ".", "/", "nodelocal://1/d", "nodelocal:///", "nodelocal://1"] {
        let error = scene.refused(directory, SqlState::INVALID_PARAMETER_VALUE);
        assert!(error.message().ends_with("is a directory"), "{error}");
    }
}

#[test]
fn says_what_is_missing_and_where_it_looked() {
    let scene = Scene::new();
    let error = scene.refused("none.csv", SqlState::UNDEFINED_FILE);
    assert_eq!(error.message(), "file \"none.csv\" does not exist");
    let tried = scene.path("work/none.csv");
    let hint = format!("It was looked for at \"{}\".", tried.display());
    assert_eq!(error.hint_text(), Some(hint.as_str()));
    let error = scene.refused("nodelocal://1/d/none.csv", SqlState::UNDEFINED_FILE);
    assert_eq!(error.message(), "nodelocal storage file does not exist: nodelocal://1/d/none.csv");
    scene.refused("a.csv/x", SqlState::UNDEFINED_FILE);
    scene.refused(&"n".repeat(300), SqlState::INVALID_NAME);
    fs::remove_dir_all(scene.path("extern")).unwrap();
    scene.refused("nodelocal://1/x", SqlState::UNDEFINED_FILE);
    scene.refused("nodelocal://1/x*", SqlState::UNDEFINED_FILE);
}

#[test]
fn touches_nothing_when_disabled() {
    let scene = Scene::new();
    let access = Access::new(AccessOptions {
        external_io_directory: None,
        working_directory: scene.path("work"),
    });
    for text in ["a.csv", "file:a.csv", "nodelocal://1/x", "*.csv", "nodelocal://1/*"] {
        let location = Location::parse(text).unwrap();
        let disabled = |result: Result<(), Error>| {
            let error = result.unwrap_err();
            assert_eq!(error.message(), "access to local files is disabled", "{text}");
            assert_eq!(error.code(), SqlState::INSUFFICIENT_PRIVILEGE);
        };
        disabled(access.open(&location).map(drop));
        disabled(access.temp_directory(&location, 1).map(drop));
        if text.contains('*') {
            disabled(access.expand(&location).map(drop));
        }
    }
}

#[test]
fn expands_wildcards_in_name_order() {
    let scene = Scene::new();
    assert_eq!(scene.names("*.csv"), ["a.csv", "b.csv"]);
    assert_eq!(scene.names("./[b-z].csv"), ["./b.csv"]);
    assert_eq!(scene.names("sub/?.csv"), ["sub/c.csv"]);
    assert_eq!(scene.names("nodelocal://1/d/*"), ["nodelocal://1/d/x"]);
    assert_eq!(scene.names("nodelocal://*"), ["nodelocal://x"], "directories are passed over");
    assert_eq!(scene.names("a.csv"), ["a.csv"]);
    assert_eq!(scene.names("none.csv"), ["none.csv"], "a name without wildcards is not looked at");
    fs::write(scene.path("work/[ab].csv"), "literal").unwrap();
    scene.check("[ab].csv", "literal");
    assert_eq!(scene.names("[ab].csv"), ["[ab].csv"], "a name that exists wins");
    let base = scene.path("work");
    assert_eq!(
        scene.names(&format!("file://{}/%3F.csv", base.display())),
        [format!("file://{}/a.csv", base.display()), format!("file://{}/b.csv", base.display())]
    );
    symlink("nowhere", scene.path("work/dangling.txt")).unwrap();
    assert_eq!(scene.names("*.txt"), ["dangling.txt"], "nothing is passed over in silence");
}

#[test]
fn says_that_nothing_matched() {
    let scene = Scene::new();
    let check = |text: &str, message: &str| {
        assert_eq!(scene.refused(text, SqlState::UNDEFINED_FILE).message(), message);
    };
    check(
        "nodelocal://0/d/p*",
        "no files matched \"p*\" in prefix \"/d/\" in uri provided: \"nodelocal://0/d/p*\"",
    );
    check("p*", "no files matched \"p*\" in prefix \"\" in uri provided: \"p*\"");
    check("gone/p*", "no files matched \"p*\" in prefix \"gone/\" in uri provided: \"gone/p*\"");
    check("s?b/c.csv", "file \"s?b/c.csv\" does not exist");
}

#[test]
fn shows_no_secret_of_a_url_that_is_taken_for_a_path() {
    let scene = Scene::new();
    for text in [
        "s3//b/k?AWS_SECRET_ACCESS_KEY=canary",
        "s3//b?AWS_SECRET_ACCESS_KEY=canary/k",
        "k&password=canary",
        "k*?token=canary",
        "work?AWS_SECRET_ACCESS_KEY=canary/*",
        "nodelocal://1/k%3FAWS_SECRET_ACCESS_KEY=canary",
        "nodelocal://1/%3FAWS_SECRET_ACCESS_KEY=canary/*",
    ] {
        let error = scene.refused(text, SqlState::UNDEFINED_FILE);
        assert!(!format!("{error:?}").contains(SECRET), "{error:?}");
        let location = Location::parse(text).unwrap();
        let printed = format!("{location} {location:?} {}", scene.access.absolute(&location));
        assert!(!printed.contains(SECRET), "{printed}");
    }
}

#[test]
fn reads_texts_as_utf8_without_mark() {
    let scene = Scene::new();
    let check = |content: &[u8], expected: Result<&str, (SqlState, &str)>| {
        fs::write(scene.path("work/t.sql"), content).unwrap();
        let result = scene.access.read_text(&Location::parse("t.sql").unwrap(), 20);
        match (result, expected) {
            (Ok(text), Ok(expected)) => assert_eq!(text, expected),
            (Err(error), Err((code, message))) => {
                assert_eq!((error.code(), error.message()), (code, message));
            }
            (result, expected) => panic!("{result:?} is not {expected:?}"),
        }
    };
    let not_utf8 = SqlState::CHARACTER_NOT_IN_REPERTOIRE;
    check(b"", Ok(""));
    check(b"\xef\xbb\xbfa\xc3\xa9", Ok("a\u{e9}"));
    check(b"ab\xffc", Err((not_utf8, "file \"t.sql\" is not UTF-8 at byte 2")));
    check(b"\xef\xbb\xbfa\xc3", Err((not_utf8, "file \"t.sql\" is not UTF-8 at byte 4")));
    check(b"\xff\xfea\0", Err((not_utf8, "file \"t.sql\" is not UTF-8 at byte 0")));
    check(&[b'x'; 20], Ok("xxxxxxxxxxxxxxxxxxxx"));
    check(
        &[b'x'; 21],
        Err((SqlState::PROGRAM_LIMIT_EXCEEDED, "file \"t.sql\" exceeds the limit of 20 bytes")),
    );
}

#[test]
fn notices_that_a_file_changed() {
    let scene = Scene::new();
    let file = scene.access.open(&Location::parse("a.csv").unwrap()).unwrap();
    file.unchanged().unwrap();
    let mut buffer = [0; 4];
    assert_eq!(file.read_at(&mut buffer, 5).unwrap(), 4);
    assert_eq!(&buffer, b"a.cs");
    assert_eq!(file.read_at(&mut buffer, 8).unwrap(), 2, "the file ends");
    assert_eq!(file.bytes_read(), 6);
    fs::write(scene.path("work/a.csv"), "longer than before").unwrap();
    let error = file.unchanged().unwrap_err();
    assert_eq!(error.code(), SqlState::OBJECT_NOT_IN_PREREQUISITE_STATE);
    assert_eq!(error.message(), "file changed while it was read: \"a.csv\"");
}
