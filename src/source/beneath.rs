//! Opening files beneath a directory, and never outside it.
//!
//! The kernel resolves the path under the directory's descriptor (`openat2` with `RESOLVE_BENEATH`),
//! so that what is checked is what is opened: a symbolic link that is swapped in between leads
//! nowhere. Where `openat2` is missing, the path is walked element by element and no symbolic link is
//! followed at all.

use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::path::Path;

use rustix::fs::{CWD, Mode, OFlags};
use rustix::io::Errno;

/// How often a resolution is tried again that another process disturbed by renaming.
const ATTEMPTS: usize = 128;

/// Flags of every directory that is opened.
const DIRECTORY: OFlags = OFlags::RDONLY.union(OFlags::DIRECTORY).union(OFlags::CLOEXEC);

/// Flags of every file that is opened to be read. A FIFO must not block, and a terminal must not
/// become ours, before it is found to be no regular file.
const FILE: OFlags =
    OFlags::RDONLY.union(OFlags::CLOEXEC).union(OFlags::NONBLOCK).union(OFlags::NOCTTY);

/// A directory that bounds what is opened.
pub(super) struct Root(OwnedFd);

impl Root {
    /// Opens the directory `path`, which is trusted, links included.
    pub(super) fn open(path: &Path) -> io::Result<Self> {
        Ok(Self(rustix::fs::openat(CWD, path, DIRECTORY, Mode::empty())?))
    }

    /// Opens a file beneath the directory to be read.
    pub(super) fn open_file(&self, relative: &Path) -> io::Result<OwnedFd> {
        open_beneath(self.0.as_fd(), relative, FILE)
    }

    /// Opens a directory beneath the directory.
    pub(super) fn open_directory(&self, relative: &Path) -> io::Result<OwnedFd> {
        open_beneath(self.0.as_fd(), relative, DIRECTORY)
    }

    /// Opens a directory beneath the directory, and makes it and those above it if they are missing.
    pub(super) fn create_directory(&self, relative: &Path) -> io::Result<OwnedFd> {
        let mut made = std::path::PathBuf::new();
        let mut directory = self.open_directory(Path::new(""))?;
        for element in relative {
            match rustix::fs::mkdirat(&directory, element, Mode::from(0o755)) {
                Ok(()) | Err(Errno::EXIST) => {}
                Err(errno) => return Err(errno.into()),
            }
            made.push(element);
            directory = self.open_directory(&made)?;
        }
        Ok(directory)
    }
}

/// Opens a file anywhere to be read.
pub(super) fn open_anywhere(path: &Path) -> io::Result<OwnedFd> {
    Ok(rustix::fs::openat(CWD, path, FILE, Mode::empty())?)
}

/// Opens a directory anywhere.
pub(super) fn open_directory_anywhere(path: &Path) -> io::Result<OwnedFd> {
    Ok(rustix::fs::openat(CWD, path, DIRECTORY, Mode::empty())?)
}

/// Returns whether `error` says that a path leads out of its root, or over a link that may not be
/// followed.
pub(super) fn leads_outside(error: &io::Error) -> bool {
    matches!(Errno::from_io_error(error), Some(Errno::XDEV | Errno::LOOP))
}

#[cfg(target_os = "linux")]
fn open_beneath(root: BorrowedFd<'_>, relative: &Path, flags: OFlags) -> io::Result<OwnedFd> {
    use rustix::fs::{ResolveFlags, openat2};

    let path = if relative.as_os_str().is_empty() { Path::new(".") } else { relative };
    let resolve = ResolveFlags::BENEATH | ResolveFlags::NO_MAGICLINKS;
    for _ in 0..ATTEMPTS {
        match openat2(root, path, flags, Mode::empty(), resolve) {
            Err(Errno::AGAIN | Errno::INTR) => {}
            // EPERM is what a system call filter that does not know openat2 answers.
            Err(Errno::NOSYS | Errno::PERM) => return walk(root, relative, flags),
            result => return Ok(result?),
        }
    }
    Err(Errno::AGAIN.into())
}

#[cfg(not(target_os = "linux"))]
fn open_beneath(root: BorrowedFd<'_>, relative: &Path, flags: OFlags) -> io::Result<OwnedFd> {
    walk(root, relative, flags)
}

/// Opens `relative` element by element, following no symbolic link.
fn walk(root: BorrowedFd<'_>, relative: &Path, flags: OFlags) -> io::Result<OwnedFd> {
    let mut elements: Vec<_> = relative.iter().collect();
    let Some(last) = elements.pop() else {
        return open_element(root, Path::new("."), flags);
    };
    let mut directory: Option<OwnedFd> = None;
    for element in elements {
        let parent = directory.as_ref().map_or(root, AsFd::as_fd);
        directory = Some(open_element(parent, Path::new(element), DIRECTORY)?);
    }
    open_element(directory.as_ref().map_or(root, AsFd::as_fd), Path::new(last), flags)
}

fn open_element(parent: BorrowedFd<'_>, element: &Path, flags: OFlags) -> io::Result<OwnedFd> {
    // Invariant: locations hold no "..", and an absolute path would have been an element "/".
    if element == Path::new("..") || element.is_absolute() {
        return Err(Errno::XDEV.into());
    }
    match rustix::fs::openat(parent, element, flags | OFlags::NOFOLLOW, Mode::empty()) {
        // A link in place of a directory shows as ENOTDIR.
        Err(Errno::NOTDIR) if is_link(parent, element) => Err(Errno::LOOP.into()),
        result => Ok(result?),
    }
}

fn is_link(parent: BorrowedFd<'_>, element: &Path) -> bool {
    rustix::fs::statat(parent, element, rustix::fs::AtFlags::SYMLINK_NOFOLLOW).is_ok_and(|stat| {
        rustix::fs::FileType::from_raw_mode(stat.st_mode) == rustix::fs::FileType::Symlink
    })
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::os::unix::fs::symlink;

    use super::*;

    fn check_walk(root: &Root, path: &str, opens: bool) {
        let result = walk(root.0.as_fd(), Path::new(path), FILE);
        assert_eq!(result.is_ok(), opens, "{path}: {result:?}");
    }

    #[test]
    fn walks_without_following_links() {
        let temp = tempfile::tempdir().unwrap();
        let inside = temp.path().join("extern");
        fs::create_dir_all(inside.join("d")).unwrap();
        fs::write(inside.join("d/f"), "in").unwrap();
        fs::write(temp.path().join("secret"), "out").unwrap();
        symlink(temp.path(), inside.join("up")).unwrap();
        symlink(temp.path().join("secret"), inside.join("link")).unwrap();
        let root = Root::open(&inside).unwrap();
        check_walk(&root, "d/f", true);
        check_walk(&root, "", true);
        check_walk(&root, "up/secret", false);
        check_walk(&root, "link", false);
        check_walk(&root, "../secret", false);
        check_walk(&root, "/etc/passwd", false);
        let error = walk(root.0.as_fd(), Path::new("up/secret"), FILE).unwrap_err();
        assert!(leads_outside(&error), "{error}");
    }

    #[test]
    fn makes_directories_beneath_only() {
        let temp = tempfile::tempdir().unwrap();
        let inside = temp.path().join("extern");
        fs::create_dir_all(&inside).unwrap();
        fs::create_dir(temp.path().join("outside")).unwrap();
        symlink("../outside", inside.join("link")).unwrap();
        let root = Root::open(&inside).unwrap();
        root.create_directory(Path::new("a/b/c")).unwrap();
        assert!(inside.join("a/b/c").is_dir());
        let error = root.create_directory(Path::new("link/made")).unwrap_err();
        assert!(leads_outside(&error), "{error}");
        assert!(!temp.path().join("outside/made").exists());
    }
}
