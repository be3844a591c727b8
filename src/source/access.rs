//! Access to places under the session's rules: which directory `nodelocal:` means, where relative paths
//! start, whether local files may be touched at all, and who may use which places of other machines.

use std::ffi::CStr;
use std::io;
use std::os::fd::{AsFd, OwnedFd};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use rustix::fs::{AtFlags, Dir, FileType};
use rustix::io::Errno;

use super::beneath::{self, Root};
use super::cloud::ObjectPlace;
use super::failure::io_error;
use super::file::SourceFile;
use super::glob::Pattern;
use super::location::{Location, nodelocal_url};
use super::network::{Network, NetworkOptions, StopCheck};
use super::object::{self, ObjectFile};
use super::redact::redact;
use super::remote::Remote;
use super::temp::{TempDirectory, Usage, remove_leftover};
use super::web::WebFile;
use crate::error::{Error, Result, SqlState};

/// How many files of other machines are opened at once.
const AT_ONCE: usize = 16;

/// How patterns are matched, for hints.
const MATCHING: &str = "Only files directly in it are matched, and upper and lower case differ.";

/// What a session may reach.
#[derive(Clone, Debug)]
pub struct AccessOptions {
    /// The root of `nodelocal:`, absolute; `None` turns off all local files.
    pub external_io_directory: Option<PathBuf>,
    /// Where relative paths start, absolute.
    pub working_directory: PathBuf,
}

/// Opens places for a session. Clones share the limit of temporary files.
#[derive(Clone, Debug)]
pub struct Access {
    options: AccessOptions,
    usage: Arc<Usage>,
    network: Arc<Network>,
    explicit_only: bool,
}

impl Access {
    /// Returns access under these options.
    pub fn new(options: AccessOptions) -> Self {
        let network = Network::new(NetworkOptions::default()).expect("no hosts, no malformed ones");
        Self { options, usage: Arc::default(), network: Arc::new(network), explicit_only: false }
    }

    /// Sets how the network is used. Call it once, before clones are made.
    pub fn with_network(mut self, options: NetworkOptions) -> Result<Self> {
        self.network = Arc::new(Network::new(options)?);
        Ok(self)
    }

    /// Returns the same access whose requests end when `stop` says so, such as those of a job.
    pub fn with_stop(&self, stop: StopCheck) -> Result<Self> {
        let options = NetworkOptions { stop, ..self.network.options.clone() };
        Ok(Self { network: Arc::new(Network::new(options)?), ..self.clone() })
    }

    /// Limits what all temporary files take together, in bytes. Call it once, before clones are made.
    #[must_use]
    pub fn with_temp_limit(mut self, limit: Option<u64>) -> Self {
        self.usage = Arc::new(Usage::new(limit));
        self
    }

    /// Returns the same access with relative paths starting at `directory`.
    #[must_use]
    pub fn with_working_directory(&self, directory: PathBuf) -> Self {
        let mut changed = self.clone();
        changed.options.working_directory = directory;
        changed
    }

    /// Returns where relative paths start.
    pub fn working_directory(&self) -> &Path {
        &self.options.working_directory
    }

    /// Returns the same access; if `explicit_only`, of all places of other machines for URLs of clouds
    /// alone that hold their credentials.
    #[must_use]
    pub fn with_explicit_only(&self, explicit_only: bool) -> Self {
        Self { explicit_only, ..self.clone() }
    }

    /// Opens a regular file to be read, or a file of another machine.
    pub fn open(&self, location: &Location) -> Result<SourceFile> {
        let opened = match location {
            Location::Local(local) => {
                self.require_local()?;
                beneath::open_anywhere(&self.resolve(&local.path))
            }
            Location::Nodelocal(nodelocal) => {
                Root::open(self.require_local()?).and_then(|root| root.open_file(&nodelocal.path))
            }
            Location::Object(_) | Location::Http(_) => {
                let mut opened = self.open_all(std::slice::from_ref(location))?;
                return opened.pop().ok_or_else(|| Error::internal("a file was not opened"));
            }
        };
        let descriptor = opened.map_err(|error| self.open_failure(location, &error))?;
        SourceFile::new(descriptor, location.to_string())
    }

    /// Opens files; those of other machines several at a time. The first failure in their order is told.
    pub fn open_all(&self, locations: &[Location]) -> Result<Vec<SourceFile>> {
        let mut opened = Vec::with_capacity(locations.len());
        let mut rest = locations;
        while let Some((first, behind)) = rest.split_first() {
            if !first.is_remote() {
                opened.push(self.open(first)?);
                rest = behind;
                continue;
            }
            let count = rest.iter().take(AT_ONCE).take_while(|place| place.is_remote()).count();
            let mut files = Vec::with_capacity(count);
            let mut failure = None;
            for location in &rest[..count] {
                match self.remote(location) {
                    Ok(remote) => files.push((remote, location.to_string())),
                    Err(error) => {
                        failure = Some(error);
                        break;
                    }
                }
            }
            opened.extend(SourceFile::open_remote(&self.network, files)?);
            if let Some(error) = failure {
                return Err(error);
            }
            rest = &rest[count..];
        }
        Ok(opened)
    }

    /// Returns what makes the requests for a place of another machine.
    fn remote(&self, location: &Location) -> Result<Arc<dyn Remote>> {
        self.require_remote(location)?;
        match location {
            Location::Object(place) => Ok(Arc::new(ObjectFile::new(&self.network, place)?)),
            Location::Http(place) => {
                let url = place.url.clone();
                Ok(Arc::new(WebFile { network: Arc::clone(&self.network), url }))
            }
            Location::Local(_) | Location::Nodelocal(_) => {
                Err(Error::internal("a place of this machine was taken for another's"))
            }
        }
    }

    /// Reads a small text file whole, such as a schema file of at most `limit` bytes. It must be UTF-8;
    /// a byte order mark is dropped.
    pub fn read_text(&self, location: &Location, limit: u64) -> Result<String> {
        let file = self.open(location)?;
        let too_long = || {
            Error::new(
                SqlState::PROGRAM_LIMIT_EXCEEDED,
                format!("file \"{}\" exceeds the limit of {limit} bytes", file.name()),
            )
        };
        let most = file.known_size().unwrap_or(limit + 1);
        let size = usize::try_from(most).map_err(|_| too_long())?;
        if file.size() > limit {
            return Err(too_long());
        }
        require_plain(&file)?;
        let mut bytes = vec![0; size];
        let count = file.read_at(&mut bytes, 0)?;
        file.unchanged()?;
        if count as u64 > limit {
            return Err(too_long());
        }
        bytes.truncate(count);
        let text = String::from_utf8(bytes).map_err(|error| not_text(&file, &error))?;
        Ok(text.strip_prefix('\u{feff}').map(str::to_owned).unwrap_or(text))
    }

    /// Returns the files that a place with wildcards in its last element means, sorted by name: those
    /// directly in its directory. A place without wildcards, or whose name exists as it is, means itself.
    pub fn expand(&self, location: &Location) -> Result<Vec<Location>> {
        let name = String::from_utf8_lossy(location.last_element()).into_owned();
        let Some(pattern) = Pattern::parse(&name) else {
            return Ok(vec![location.clone()]);
        };
        match location {
            Location::Http(_) => return Ok(vec![location.clone()]),
            Location::Object(place) => return self.expand_object(location, place, &pattern),
            Location::Local(_) | Location::Nodelocal(_) => {}
        }
        let directory = match self.open_directory_of(location) {
            Ok(directory) => directory,
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                return Err(no_match(location, &name).hint(format!(
                    "Directory \"{}\" does not exist.",
                    redact(&location.prefix())
                )));
            }
            Err(error) => return Err(self.open_failure(location, &error)),
        };
        let literal =
            rustix::fs::statat(&directory, location.last_element(), AtFlags::SYMLINK_NOFOLLOW);
        if literal.is_ok() {
            return Ok(vec![location.clone()]);
        }
        let mut names = matching_names(&directory, &pattern)
            .map_err(|error| io_error("list", &location.prefix(), &error))?;
        names.sort();
        if names.is_empty() {
            let mut directory = self.tried(location);
            directory.truncate(directory.rfind('/').map_or(0, |at| at + 1));
            return Err(no_match(location, &name).hint(format!(
                "Check the pattern and its directory, \"{directory}\". {MATCHING}"
            )));
        }
        Ok(names.iter().map(|name| location.with_last_element(name)).collect())
    }

    /// Returns the objects that fit a pattern, sorted by name.
    fn expand_object(
        &self,
        location: &Location,
        place: &ObjectPlace,
        pattern: &Pattern,
    ) -> Result<Vec<Location>> {
        self.require_remote(location)?;
        let mut names = object::list(&self.network, place, &pattern.literal_start())?;
        if names.iter().any(|name| name == place.last_element()) {
            return Ok(vec![location.clone()]);
        }
        names.retain(|name| pattern.matches(name));
        names.sort();
        if names.is_empty() {
            return Err(no_match(location, place.last_element()).hint(format!(
                "Check the pattern, the bucket or container and the directory. {MATCHING}"
            )));
        }
        Ok(names.iter().map(|name| location.with_last_element(name.as_bytes())).collect())
    }

    /// Makes the directory of `job` in the directory `location`, which is made if it is missing.
    pub fn temp_directory(&self, location: &Location, job: u64) -> Result<TempDirectory> {
        if location.is_remote() {
            self.require_remote(location)?;
            return TempDirectory::remote(&self.network, location, job, &self.usage);
        }
        let (parent, path) = self.temp_parent(location)?;
        TempDirectory::local(parent, &path, job, &self.usage)
    }

    /// Opens the directory `name` again that a job made in the directory `location` of this machine.
    pub fn temp_directory_again(&self, location: &Location, name: &str) -> Result<TempDirectory> {
        let (parent, path) = self.temp_parent(location)?;
        TempDirectory::reopen(parent, &path, name, &self.usage)
    }

    /// Opens the directory that temporary directories are made in; it is made if it is missing.
    fn temp_parent(&self, location: &Location) -> Result<(OwnedFd, PathBuf)> {
        let (opened, path) = match location {
            Location::Local(local) => {
                self.require_local()?;
                let path = self.resolve(&local.path);
                let opened = std::fs::create_dir_all(&path)
                    .and_then(|()| beneath::open_directory_anywhere(&path));
                (opened, path)
            }
            Location::Nodelocal(nodelocal) => {
                let root = self.require_local()?;
                let opened = std::fs::create_dir_all(root)
                    .and_then(|()| Root::open(root))
                    .and_then(|root| root.create_directory(&nodelocal.path));
                (opened, root.join(&nodelocal.path))
            }
            Location::Object(_) | Location::Http(_) => {
                return Err(Error::internal("a place of another machine was taken for a path"));
            }
        };
        let parent = opened.map_err(|error| directory_failure(location, &error))?;
        Ok((parent, path))
    }

    /// Removes the temporary directory that a job left and its record names, if it lies on another machine
    /// in the directory `location`; returns whether it does.
    pub fn remove_temp_leftover(&self, location: &Location, record: &str) -> Result<bool> {
        if !location.is_remote() {
            return Ok(false);
        }
        self.require_remote(location)?;
        remove_leftover(&self.network, location, record)
    }

    /// Makes the directory of `job` in a directory of the database, which is made if it is missing. It
    /// takes no rights of the user's.
    pub fn own_temp_directory(&self, path: &Path, job: u64) -> Result<TempDirectory> {
        let opened =
            std::fs::create_dir_all(path).and_then(|()| beneath::open_directory_anywhere(path));
        let parent = opened
            .map_err(|error| io_error("create directory", &path.to_string_lossy(), &error))?;
        TempDirectory::local(parent, path, job, &self.usage)
    }

    /// Opens the directory `name` again that a job made in the directory `path` of the database.
    pub fn own_temp_directory_again(&self, path: &Path, name: &str) -> Result<TempDirectory> {
        let parent = beneath::open_directory_anywhere(path)
            .map_err(|error| io_error("open directory", &path.to_string_lossy(), &error))?;
        TempDirectory::reopen(parent, path, name, &self.usage)
    }

    /// Returns the absolute path, or the URL, of a place, with secrets redacted: for job records. What
    /// it returns parses to the same place wherever relative paths start.
    pub fn absolute(&self, location: &Location) -> String {
        match location {
            Location::Local(local) => {
                let path = self.resolve(&local.path);
                // Going through the elements drops "./" and double slashes, and keeps "..".
                redact(&path.components().collect::<PathBuf>().to_string_lossy())
            }
            Location::Nodelocal(nodelocal) => redact(&nodelocal_url(&nodelocal.path)),
            Location::Object(_) | Location::Http(_) => location.to_string(),
        }
    }

    pub(super) fn network(&self) -> &Arc<Network> {
        &self.network
    }

    /// Fails if the user may not use a place of another machine.
    pub(super) fn require_remote(&self, location: &Location) -> Result {
        if location.is_explicit() || !self.explicit_only {
            return Ok(());
        }
        Err(Error::new(
            SqlState::INSUFFICIENT_PRIVILEGE,
            format!("only root is allowed to use \"{location}\""),
        )
        .hint(
            "Other users may use URLs of clouds that hold their credentials and name no endpoint.",
        ))
    }

    /// Returns the root of `nodelocal:` if local files may be touched.
    pub(super) fn require_local(&self) -> Result<&Path> {
        self.options.external_io_directory.as_deref().ok_or_else(|| {
            Error::new(SqlState::INSUFFICIENT_PRIVILEGE, "access to local files is disabled")
                .hint("Start Wharf without \"--external-io-dir disabled\".")
        })
    }

    pub(super) fn resolve(&self, path: &Path) -> PathBuf {
        self.options.working_directory.join(path)
    }

    /// Opens the directory that holds the last element of a place.
    pub(super) fn open_directory_of(&self, location: &Location) -> io::Result<OwnedFd> {
        let root = self.require_local().map_err(super::wrap_error)?;
        let parent = location.path().parent().unwrap_or(Path::new(""));
        match location {
            Location::Local(_) => beneath::open_directory_anywhere(&self.resolve(parent)),
            Location::Nodelocal(_) => Root::open(root)?.open_directory(parent),
            Location::Object(_) | Location::Http(_) => {
                Err(super::wrap_error(Error::internal("a place without directories")))
            }
        }
    }

    /// Returns the path that is looked at for a place of this machine, with secrets redacted.
    fn tried(&self, location: &Location) -> String {
        match (location, &self.options.external_io_directory) {
            (Location::Nodelocal(nodelocal), Some(root)) => {
                redact(&root.join(&nodelocal.path).to_string_lossy())
            }
            _ => self.absolute(location),
        }
    }

    /// Says why a place could not be opened.
    fn open_failure(&self, location: &Location, error: &io::Error) -> Error {
        let nodelocal = matches!(location, Location::Nodelocal(_));
        if nodelocal && beneath::leads_outside(error) {
            return outside(location);
        }
        match Errno::from_io_error(error) {
            Some(Errno::NOENT | Errno::NOTDIR) => {
                let message = if nodelocal {
                    format!("nodelocal storage file does not exist: {location}")
                } else {
                    format!("file \"{location}\" does not exist")
                };
                let mut hint = format!("It was looked for at \"{}\".", self.tried(location));
                if Pattern::parse(&location.prefix()).is_some() {
                    hint += " Wildcards are matched in the last element of a path alone.";
                }
                Error::new(SqlState::UNDEFINED_FILE, message).hint(hint)
            }
            // What a socket, or a device without a driver, answers.
            Some(Errno::NXIO | Errno::NODEV) => Error::new(
                SqlState::INVALID_PARAMETER_VALUE,
                format!("\"{location}\" is not a regular file"),
            ),
            _ => io_error("open", &location.to_string(), error),
        }
    }
}

/// Says why a directory could not be made or opened.
pub(super) fn directory_failure(location: &Location, error: &io::Error) -> Error {
    if matches!(location, Location::Nodelocal(_)) && beneath::leads_outside(error) {
        return outside(location);
    }
    match Errno::from_io_error(error) {
        Some(Errno::NOTDIR | Errno::EXIST) => Error::new(
            SqlState::INVALID_PARAMETER_VALUE,
            format!("\"{location}\" is not a directory"),
        ),
        _ => io_error("create directory", &location.to_string(), error),
    }
}

/// Fails if a server says that a text is compressed.
fn require_plain(file: &SourceFile) -> Result {
    match file.content_encoding() {
        None => Ok(()),
        Some(encoding) => Err(Error::new(
            SqlState::BAD_COPY_FILE_FORMAT,
            format!("the server sends \"{}\" compressed", file.name()),
        )
        .detail(format!("It calls the encoding {encoding:?}."))),
    }
}

fn outside(location: &Location) -> Error {
    Error::new(
        SqlState::INSUFFICIENT_PRIVILEGE,
        format!("\"{location}\" leads outside the directory of external files"),
    )
    .detail("A symbolic link on the way points elsewhere.")
    .hint("Copy the file into the directory, or name its place by a plain path.")
}

fn no_match(location: &Location, name: &str) -> Error {
    let (name, prefix) = (redact(name), redact(&location.prefix()));
    Error::new(
        SqlState::UNDEFINED_FILE,
        format!(
            "no files matched \"{name}\" in prefix \"{prefix}\" in uri provided: \"{location}\""
        ),
    )
}

/// Returns the names in a directory that fit the pattern and are no directories. Links that lead nowhere
/// are among them: to pass over them in silence would be to lose data.
fn matching_names(directory: &OwnedFd, pattern: &Pattern) -> io::Result<Vec<Vec<u8>>> {
    let mut names = Vec::new();
    for entry in Dir::read_from(directory)? {
        let entry = entry?;
        let name = entry.file_name();
        if name == c"." || name == c".." || !pattern.matches(&name.to_string_lossy()) {
            continue;
        }
        if !is_directory(directory, name, entry.file_type()) {
            names.push(name.to_bytes().to_vec());
        }
    }
    Ok(names)
}

fn is_directory(directory: &OwnedFd, name: &CStr, kind: FileType) -> bool {
    match kind {
        FileType::Directory => true,
        // Whether a link leads to a directory is looked up without opening anything, and only to
        // choose names: the file itself is opened beneath its root.
        FileType::Symlink | FileType::Unknown => {
            rustix::fs::statat(directory.as_fd(), name, AtFlags::empty())
                .is_ok_and(|stat| FileType::from_raw_mode(stat.st_mode) == FileType::Directory)
        }
        _ => false,
    }
}

fn not_text(file: &SourceFile, error: &std::string::FromUtf8Error) -> Error {
    let bytes = error.as_bytes();
    let offset = error.utf8_error().valid_up_to();
    let problem = Error::new(
        SqlState::CHARACTER_NOT_IN_REPERTOIRE,
        format!("file \"{}\" is not UTF-8 at byte {offset}", file.name()),
    )
    .detail(format!("The byte is 0x{:02x}.", bytes[offset]));
    if bytes.starts_with(&[0xff, 0xfe]) || bytes.starts_with(&[0xfe, 0xff]) {
        return problem.hint("It looks like UTF-16: convert it to UTF-8.");
    }
    problem.hint("Convert the file to UTF-8.")
}
