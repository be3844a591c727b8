//! Temporary directories of this machine.

use std::fs;
use std::os::unix::fs::symlink;
use std::path::PathBuf;

use super::*;
use crate::error::SqlState;
use crate::source::{Access, AccessOptions, Location};

fn access(base: &Path, limit: Option<u64>) -> Access {
    Access::new(AccessOptions {
        external_io_directory: Some(base.join("extern")),
        working_directory: base.to_owned(),
    })
    .with_temp_limit(limit)
}

fn directory(access: &Access, text: &str) -> Result<TempDirectory> {
    access.temp_directory(&Location::parse(text).unwrap(), 7)
}

fn path_of(temp: &TempDirectory) -> PathBuf {
    PathBuf::from(temp.record())
}

fn open(temp: &TempDirectory, name: &str) -> Result<TempReader> {
    temp.open(name, 0..u64::MAX)
}

#[test]
fn makes_writes_reads_and_removes() {
    let base = tempfile::tempdir().unwrap();
    let access = access(base.path(), None);
    for (text, path) in
        [("tmp/deep", "tmp/deep"), ("nodelocal://1/a/b", "extern/a/b"), ("nodelocal:///", "extern")]
    {
        let temp = directory(&access, text).unwrap();
        assert_eq!(path_of(&temp), base.path().join(path).join("wharf-7"));
        temp.probe_writable().unwrap();
        assert!(temp.free_space().unwrap() > Some(0));
        temp.create("run-1").unwrap().write_all(b"hello").unwrap();
        assert_eq!(temp.used_bytes(), 5);
        let mut file = open(&temp, "run-1").unwrap();
        let mut buffer = [0; 8];
        assert_eq!(file.read_at(&mut buffer, 1).unwrap(), 4);
        assert_eq!(&buffer[..4], b"ello");
        assert_eq!(temp.create("run-1").err().unwrap().code(), SqlState::IO_ERROR);
        temp.remove("run-1").unwrap();
        assert_eq!(temp.used_bytes(), 0);
        assert_eq!(open(&temp, "run-1").err().unwrap().code(), SqlState::UNDEFINED_FILE);
        temp.create("run-2").unwrap().write_all(b"x").unwrap();
        let path = path_of(&temp);
        drop(temp);
        assert!(!path.exists());
        assert!(path.parent().unwrap().exists());
    }
}

#[test]
fn keeps_what_is_to_be_kept_and_steps_aside() {
    let base = tempfile::tempdir().unwrap();
    let access = access(base.path(), None);
    let first = directory(&access, "t").unwrap();
    let second = directory(&access, "t").unwrap();
    assert_eq!(path_of(&second), base.path().join("t/wharf-7-2"));
    first.keep();
    first.create("f").unwrap();
    drop((first, second));
    assert!(base.path().join("t/wharf-7/f").exists());
    assert!(!base.path().join("t/wharf-7-2").exists());
}

#[test]
fn counts_against_one_limit() {
    let base = tempfile::tempdir().unwrap();
    let access = access(base.path(), Some(10));
    let first = directory(&access, "a").unwrap();
    let moved = access.with_working_directory(base.path().join("elsewhere"));
    let second = directory(&moved, "b").unwrap();
    first.create("f").unwrap().write_all(b"123456").unwrap();
    let mut file = second.create("f").unwrap();
    file.write_all(b"1234").unwrap();
    let error = io_error("write", "f", &file.write_all(b"5").unwrap_err());
    assert_eq!(error.code(), SqlState::DISK_FULL);
    assert_eq!(error.message(), "temporary files exceed the limit of 10 bytes");
    drop(first);
    file.write_all(b"567890").unwrap();
    assert_eq!(second.used_bytes(), 10);
}

#[test]
fn refuses_what_is_no_directory_or_lies_outside() {
    let base = tempfile::tempdir().unwrap();
    let access = access(base.path(), None);
    fs::create_dir_all(base.path().join("extern")).unwrap();
    fs::create_dir_all(base.path().join("outside")).unwrap();
    fs::write(base.path().join("file"), "").unwrap();
    fs::write(base.path().join("extern/file"), "").unwrap();
    symlink("../outside", base.path().join("extern/link")).unwrap();
    let check = |text: &str, code: SqlState| {
        assert_eq!(directory(&access, text).unwrap_err().code(), code, "{text}");
    };
    check("file", SqlState::INVALID_PARAMETER_VALUE);
    check("file/under", SqlState::INVALID_PARAMETER_VALUE);
    check("nodelocal://1/file", SqlState::INVALID_PARAMETER_VALUE);
    check("nodelocal://1/file/under", SqlState::INVALID_PARAMETER_VALUE);
    check("nodelocal://1/link", SqlState::INSUFFICIENT_PRIVILEGE);
    check("nodelocal://1/link/under", SqlState::INSUFFICIENT_PRIVILEGE);
    check("/proc/none", SqlState::UNDEFINED_FILE);
    assert_eq!(fs::read_dir(base.path().join("outside")).unwrap().count(), 0);
}

#[test]
fn takes_no_paths_for_names() {
    let base = tempfile::tempdir().unwrap();
    let temp = directory(&access(base.path(), None), "t").unwrap();
    for name in ["", ".", "..", "../x", "/x", "a/b", "a\0b"] {
        assert!(temp.create(name).is_err(), "{name:?}");
    }
}

#[test]
fn writes_into_its_directory_though_another_takes_its_name() {
    let base = tempfile::tempdir().unwrap();
    let temp = directory(&access(base.path(), None), "t").unwrap();
    fs::rename(path_of(&temp), base.path().join("t/moved")).unwrap();
    fs::create_dir(base.path().join("outside")).unwrap();
    symlink("../outside", path_of(&temp)).unwrap();
    temp.create("f").unwrap().write_all(b"x").unwrap();
    assert!(base.path().join("t/moved/f").exists());
    drop(temp);
    assert!(base.path().join("t/wharf-7").is_symlink(), "what is not ours stays");
    assert_eq!(fs::read_dir(base.path().join("outside")).unwrap().count(), 0);
}

#[test]
fn removes_leftovers_of_jobs_only() {
    let base = tempfile::tempdir().unwrap();
    for name in ["wharf-12", "wharf-12-3", "wharf-", "wharf-x", "other"] {
        fs::create_dir_all(base.path().join(name).join("sub")).unwrap();
    }
    symlink(base.path().join("other"), base.path().join("wharf-13")).unwrap();
    let check = |name: &str, accepted: bool, stays: bool| {
        let path = base.path().join(name);
        assert_eq!(remove_temp_leftover(&path).is_ok(), accepted, "{name}");
        assert_eq!(path.exists(), stays, "{name}");
    };
    check("wharf-12", true, false);
    check("wharf-12", true, false);
    check("wharf-12-3", true, false);
    check("wharf-", false, true);
    check("wharf-x", false, true);
    check("other", false, true);
    check("wharf-13", true, true);
    assert!(base.path().join("other/sub").exists());
}
