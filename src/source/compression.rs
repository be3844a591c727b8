//! Compressed files as streams of their content: gzip, bzip2, Zstandard, xz.
//!
//! A stream ends without an error only if the whole file was read and every member of it was complete
//! and sound. Content is never cut short in silence.

use std::io::{self, BufRead, BufReader, Read};
use std::sync::Arc;

use bzip2::bufread::MultiBzDecoder;
use flate2::bufread::MultiGzDecoder;
use liblzma::bufread::XzDecoder;

use super::failure::{io_error, wrap_error};
use super::file::{SourceFile, SourceReader};
use super::location::Location;
use crate::error::{Error, Result, SqlState};

/// Compressed bytes read at once.
const BUFFER: usize = 256 * 1024;

/// What an xz decoder may hold; `xz -9` needs 65 MiB. Zstandard's own limit is the same.
const XZ_MEMORY: u64 = 128 * 1024 * 1024;

/// Up to here any ratio of content to file is fine.
const RATIO_FREE: u64 = 1024 * 1024 * 1024;

/// How a file is compressed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Compression {
    /// Not at all.
    #[default]
    None,
    /// gzip, one member or several.
    Gzip,
    /// bzip2, one stream or several.
    Bzip2,
    /// Zstandard, one frame or several.
    Zstd,
    /// xz, one stream or several.
    Xz,
}

impl Compression {
    /// Returns the compression that the suffix of a place's path speaks of; parameters of URLs are passed
    /// over.
    pub fn of_location(location: &Location) -> Self {
        match location {
            Location::Local(_) | Location::Nodelocal(_) => Self::of_name(&location.to_string()),
            Location::Object(_) | Location::Http(_) => {
                Self::of_name(&location.path().to_string_lossy())
            }
        }
    }

    /// Returns the compression that the suffix of a path or URL speaks of.
    fn of_name(name: &str) -> Self {
        let path = name.split(['?', '#']).next().unwrap_or(name);
        let of = |name: &str| match Self::suffix(name).to_ascii_lowercase().as_str() {
            "gz" => Self::Gzip,
            "bz2" | "bz" => Self::Bzip2,
            "zst" | "zstd" => Self::Zstd,
            "xz" => Self::Xz,
            _ => Self::None,
        };
        match of(name) {
            Self::None => of(path),
            found => found,
        }
    }

    fn suffix(name: &str) -> &str {
        name.rsplit_once('.').map_or("", |(_, suffix)| suffix)
    }

    fn label(self) -> &'static str {
        match self {
            Self::None => "none",
            Self::Gzip => "gzip",
            Self::Bzip2 => "bzip2",
            Self::Zstd => "zstd",
            Self::Xz => "xz",
        }
    }

    /// Returns whether a file that begins with `head` can be of this kind.
    fn recognises(self, head: &[u8]) -> bool {
        match self {
            Self::None => true,
            Self::Gzip => head.starts_with(&[0x1f, 0x8b]),
            Self::Bzip2 => head.starts_with(b"BZh"),
            Self::Zstd => {
                let skippable =
                    head.len() >= 4 && head[0] & 0xf0 == 0x50 && head[1..4] == [0x2a, 0x4d, 0x18];
                head.starts_with(&[0x28, 0xb5, 0x2f, 0xfd]) || skippable
            }
            Self::Xz => head.starts_with(&[0xfd, b'7', b'z', b'X', b'Z', 0]),
        }
    }
}

/// How much content a compressed file may have.
#[derive(Clone, Copy, Debug)]
pub struct DecompressLimits {
    /// The most bytes of content, if limited.
    pub bytes: Option<u64>,
    /// The most bytes of content for a byte of the file; looked at only beyond 1 GiB of content.
    pub ratio: u64,
}

impl Default for DecompressLimits {
    fn default() -> Self {
        // gzip reaches 1,032 on nothing but zeros; tables reach 20.
        Self { bytes: None, ratio: 1000 }
    }
}

/// Returns the content of a file. Errors of the reader are ours, wrapped: take them out by `io_error`.
///
/// `SourceFile::bytes_read` tells how far it is.
pub fn decompress(
    file: Arc<SourceFile>,
    compression: Compression,
    limits: DecompressLimits,
) -> Result<Box<dyn Read + Send>> {
    if compression == Compression::None {
        return Ok(Box::new(Content::new(file.reader(), file, compression, limits)));
    }
    let mut head = [0; 6];
    let count = file.read_at(&mut head, 0)?;
    if count > 0 && !compression.recognises(&head[..count]) {
        return Err(invalid_header(&file, compression, &head[..count]));
    }
    let input = BufReader::with_capacity(BUFFER, file.reader());
    Ok(match compression {
        Compression::None | Compression::Gzip => {
            Box::new(Content::new(MultiGzDecoder::new(input), file, compression, limits))
        }
        Compression::Bzip2 => {
            Box::new(Content::new(MultiBzDecoder::new(input), file, compression, limits))
        }
        Compression::Zstd => {
            let decoder = zstd::Decoder::with_buffer(input)
                .map_err(|error| io_error("decompress", file.name(), &error))?;
            Box::new(Content::new(decoder, file, compression, limits))
        }
        Compression::Xz => {
            let stream = liblzma::stream::Stream::new_stream_decoder(
                XZ_MEMORY,
                liblzma::stream::CONCATENATED,
            )
            .map_err(|error| io_error("decompress", file.name(), &error.into()))?;
            Box::new(Content::new(XzDecoder::new_stream(input, stream), file, compression, limits))
        }
    })
}

/// A decoder whose unread input can be looked at.
trait Decoder: Read + Send {
    /// Returns whether the decoder left bytes of the file unread.
    fn has_leftover(&mut self) -> io::Result<bool>;
}

impl Decoder for SourceReader {
    fn has_leftover(&mut self) -> io::Result<bool> {
        Ok(false)
    }
}

macro_rules! decoders {
    ($($decoder:ty),+) => {$(
        impl Decoder for $decoder {
            fn has_leftover(&mut self) -> io::Result<bool> {
                Ok(!self.get_mut().fill_buf()?.is_empty())
            }
        }
    )+};
}

type Input = BufReader<SourceReader>;

decoders!(
    MultiGzDecoder<Input>,
    MultiBzDecoder<Input>,
    zstd::Decoder<'static, Input>,
    XzDecoder<Input>
);

/// A decoder with everything checked that the libraries leave to their callers.
struct Content<D> {
    decoder: D,
    file: Arc<SourceFile>,
    compression: Compression,
    limits: DecompressLimits,
    produced: u64,
    state: State,
}

#[derive(Clone, Copy, PartialEq)]
enum State {
    Reading,
    Ended,
    Failed,
}

impl<D: Decoder> Content<D> {
    fn new(
        decoder: D,
        file: Arc<SourceFile>,
        compression: Compression,
        limits: DecompressLimits,
    ) -> Self {
        Self { decoder, file, compression, limits, produced: 0, state: State::Reading }
    }

    fn advance(&mut self, buffer: &mut [u8]) -> Result<usize> {
        let count = loop {
            match self.decoder.read(buffer) {
                Ok(count) => break count,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(self.failure(&error)),
            }
        };
        if count == 0 {
            self.check_end()?;
        }
        self.produced += count as u64;
        self.check_limits()?;
        Ok(count)
    }

    fn check_end(&mut self) -> Result {
        self.file.unchanged()?;
        let empty = match self.file.known_size() {
            Some(size) => size == 0,
            None => self.file.bytes_read() == 0,
        };
        if self.compression != Compression::None && empty {
            return Err(self.damaged("unexpected end of file"));
        }
        match self.decoder.has_leftover() {
            Ok(false) => Ok(()),
            Ok(true) => Err(self.damaged("data after the end of the stream")),
            Err(error) => Err(self.failure(&error)),
        }
    }

    fn check_limits(&self) -> Result {
        let exceeded = |limit: String| {
            Error::new(
                SqlState::PROGRAM_LIMIT_EXCEEDED,
                format!("content of \"{}\" exceeds the limit of {limit}", self.file.name()),
            )
        };
        if self.limits.bytes.is_some_and(|limit| self.produced > limit) {
            let limit = self.limits.bytes.unwrap_or_default();
            return Err(exceeded(format!("{limit} bytes")));
        }
        if self.compression == Compression::None || self.produced <= RATIO_FREE {
            return Ok(());
        }
        if self.produced / self.limits.ratio.max(1) > self.file.bytes_read() {
            return Err(exceeded(format!("{} times its size", self.limits.ratio))
                .hint("If the file is meant to be so, decompress it first."));
        }
        Ok(())
    }

    /// Turns an error of the decoder into ours.
    fn failure(&self, error: &io::Error) -> Error {
        let ours = error.get_ref().is_some_and(<dyn std::error::Error + Send + Sync>::is::<Error>);
        if ours || error.raw_os_error().is_some() || self.compression == Compression::None {
            return io_error("read", self.file.name(), error);
        }
        // A file that changed meanwhile is no damaged file.
        if let Err(changed) = self.file.unchanged() {
            return changed;
        }
        match error.kind() {
            io::ErrorKind::UnexpectedEof => self.damaged("unexpected end of file"),
            _ => self.damaged("invalid data").caused_by(error.to_string()),
        }
    }

    fn damaged(&self, what: &str) -> Error {
        let label = self.compression.label();
        let read = self.file.bytes_read();
        let part = match self.file.known_size() {
            Some(size) => format!("{} of its {size}", read.min(size)),
            None => read.to_string(),
        };
        Error::new(SqlState::BAD_COPY_FILE_FORMAT, format!("{label}: {what}")).detail(format!(
            "File \"{}\" is damaged or incomplete: {} bytes of content came out of the first {part} bytes.",
            self.file.name(),
            self.produced
        ))
    }
}

impl<D: Decoder> Read for Content<D> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        if buffer.is_empty() || self.state == State::Ended {
            return Ok(0);
        }
        if self.state == State::Failed {
            // Some decoders end quietly when they are read again after an error.
            return Err(wrap_error(self.damaged("reading went on after an error")));
        }
        match self.advance(buffer) {
            Ok(count) => {
                if count == 0 {
                    self.state = State::Ended;
                }
                Ok(count)
            }
            Err(error) => {
                self.state = State::Failed;
                Err(wrap_error(error))
            }
        }
    }
}

fn invalid_header(file: &SourceFile, compression: Compression, head: &[u8]) -> Error {
    let all = [Compression::Gzip, Compression::Bzip2, Compression::Zstd, Compression::Xz];
    let label = compression.label();
    let hint = match all.into_iter().find(|other| other.recognises(head)) {
        Some(other) => {
            format!("The file looks like {}: name that in \"decompress\".", other.label())
        }
        None => "If it is not compressed, say decompress = 'none'.".to_owned(),
    };
    Error::new(SqlState::BAD_COPY_FILE_FORMAT, format!("{label}: invalid header"))
        .detail(format!("File \"{}\" does not begin as {label} data does.", file.name()))
        .hint(hint)
}

#[cfg(test)]
mod tests {
    use std::io::Write;

    use super::super::{Access, AccessOptions};
    use super::*;

    const ALL: [Compression; 4] =
        [Compression::Gzip, Compression::Bzip2, Compression::Zstd, Compression::Xz];

    fn compress(compression: Compression, content: &[u8]) -> Vec<u8> {
        match compression {
            Compression::None => content.to_vec(),
            Compression::Gzip => {
                let mut encoder =
                    flate2::write::GzEncoder::new(vec![], flate2::Compression::fast());
                encoder.write_all(content).unwrap();
                encoder.finish().unwrap()
            }
            Compression::Bzip2 => {
                let mut encoder = bzip2::write::BzEncoder::new(vec![], bzip2::Compression::fast());
                encoder.write_all(content).unwrap();
                encoder.finish().unwrap()
            }
            Compression::Zstd => {
                let mut encoder = zstd::Encoder::new(vec![], 1).unwrap();
                encoder.include_checksum(true).unwrap();
                encoder.write_all(content).unwrap();
                encoder.finish().unwrap()
            }
            Compression::Xz => {
                let mut encoder = liblzma::write::XzEncoder::new(vec![], 1);
                encoder.write_all(content).unwrap();
                encoder.finish().unwrap()
            }
        }
    }

    /// Files that are read back through `decompress`.
    struct Scene(tempfile::TempDir);

    impl Scene {
        fn new() -> Self {
            Self(tempfile::tempdir().unwrap())
        }

        fn open(&self, bytes: &[u8]) -> Arc<SourceFile> {
            std::fs::write(self.0.path().join("f"), bytes).unwrap();
            let access = Access::new(AccessOptions {
                external_io_directory: Some(self.0.path().to_owned()),
                working_directory: self.0.path().to_owned(),
            });
            Arc::new(access.open(&Location::parse("f").unwrap()).unwrap())
        }

        fn read(&self, compression: Compression, bytes: &[u8]) -> Result<Vec<u8>> {
            let mut reader =
                decompress(self.open(bytes), compression, DecompressLimits::default())?;
            let mut content = Vec::new();
            match reader.read_to_end(&mut content) {
                Ok(_) => Ok(content),
                Err(error) => {
                    let again = reader.read(&mut [0; 8]);
                    assert!(again.is_err(), "after an error there is no end of file");
                    Err(io_error("read", "f", &error))
                }
            }
        }
    }

    /// Text that does not compress to nothing.
    fn sample(lines: u64) -> Vec<u8> {
        (0..lines)
            .flat_map(|n| format!("{n},{:x}\n", n.wrapping_mul(0x9e37_79b9)).into_bytes())
            .collect()
    }

    #[test]
    fn knows_compression_by_suffix() {
        let check =
            |name: &str, expected| assert_eq!(Compression::of_name(name), expected, "{name}");
        check("a.csv.gz", Compression::Gzip);
        check("A.CSV.GZ", Compression::Gzip);
        check("a.bz2", Compression::Bzip2);
        check("a.bz", Compression::Bzip2);
        check("a.zst", Compression::Zstd);
        check("a.zstd", Compression::Zstd);
        check("a.xz", Compression::Xz);
        check("a.csv", Compression::None);
        check("gz", Compression::None);
        check("a.gz/b", Compression::None);
        let check = |text: &str, expected| {
            let location = Location::parse(text).unwrap();
            assert_eq!(Compression::of_location(&location), expected, "{text}");
        };
        check("s3://b/a.gz?AUTH=implicit", Compression::Gzip);
        check("http://h/a.gz?x=1", Compression::Gzip);
        check("http://h/x?f=a.gz", Compression::None);
        check("nodelocal://1/a.zst", Compression::Zstd);
    }

    #[test]
    fn gives_back_what_was_compressed() {
        let scene = Scene::new();
        for compression in [Compression::None].into_iter().chain(ALL) {
            for lines in [0, 1, 60_000] {
                let content = sample(lines);
                let file = compress(compression, &content);
                assert_eq!(scene.read(compression, &file).unwrap(), content, "{compression:?}");
            }
        }
    }

    #[test]
    fn reads_every_member() {
        let scene = Scene::new();
        for compression in ALL {
            let mut file = compress(compression, b"one\n");
            file.extend(compress(compression, b""));
            file.extend(compress(compression, b"two\n"));
            assert_eq!(scene.read(compression, &file).unwrap(), b"one\ntwo\n", "{compression:?}");
        }
    }

    #[test]
    fn counts_what_it_read_of_the_file() {
        let scene = Scene::new();
        let bytes = compress(Compression::Gzip, &sample(1000));
        let file = scene.open(&bytes);
        let mut reader =
            decompress(Arc::clone(&file), Compression::Gzip, DecompressLimits::default()).unwrap();
        std::io::copy(&mut reader, &mut std::io::sink()).unwrap();
        assert!(file.bytes_read() >= bytes.len() as u64);
    }

    /// A file cut anywhere is an error, unless what is left is a whole number of members.
    #[test]
    fn refuses_a_file_cut_anywhere() {
        let scene = Scene::new();
        for compression in ALL {
            let first = compress(compression, &sample(12));
            let mut file = first.clone();
            file.extend(compress(compression, &sample(12)));
            for cut in (0..file.len()).filter(|cut| *cut != first.len()) {
                let error = scene.read(compression, &file[..cut]).expect_err("a cut file");
                assert_eq!(
                    error.code(),
                    SqlState::BAD_COPY_FILE_FORMAT,
                    "{compression:?} at {cut}"
                );
                if cut >= first.len() / 2 {
                    let message = format!("{}: unexpected end of file", compression.label());
                    assert_eq!(error.message(), message, "{compression:?} at {cut}");
                }
            }
        }
    }

    /// A flipped bit is an error, or it stood where no content is (a time, a reserved bit).
    #[test]
    fn never_gives_other_content_for_a_flipped_bit() {
        let scene = Scene::new();
        let content = sample(60);
        for compression in ALL {
            let file = compress(compression, &content);
            let mut found = 0;
            for bit in (0..file.len() * 8).step_by(13) {
                let mut damaged = file.clone();
                damaged[bit / 8] ^= 1 << (bit % 8);
                match scene.read(compression, &damaged) {
                    Ok(read) => assert_eq!(read, content, "{compression:?} bit {bit}"),
                    Err(error) => {
                        assert_eq!(error.code(), SqlState::BAD_COPY_FILE_FORMAT);
                        found += 1;
                    }
                }
            }
            assert!(found * 10 > file.len() * 8 / 13 * 9, "{compression:?}: {found} found");
        }
    }

    #[test]
    fn refuses_trailing_garbage() {
        let scene = Scene::new();
        for compression in ALL {
            for garbage in [&b"x"[..], b"\n", b"garbage", b"\0", &[0; 600][..], &[0x1f], b"BZ"] {
                let mut file = compress(compression, b"one\n");
                file.extend(garbage);
                let result = scene.read(compression, &file);
                // xz knows padding: zeros, four at a time.
                let padding = compression == Compression::Xz && garbage.len() == 600;
                assert_eq!(result.is_ok(), padding, "{compression:?} {garbage:?}");
            }
        }
    }

    #[test]
    fn says_that_a_file_is_not_compressed_so() {
        let scene = Scene::new();
        let error = scene.read(Compression::Gzip, b"a,b\n1,2\n").unwrap_err();
        assert_eq!(error.message(), "gzip: invalid header");
        assert_eq!(error.code(), SqlState::BAD_COPY_FILE_FORMAT);
        let bzip2 = compress(Compression::Bzip2, b"x");
        let error = scene.read(Compression::Xz, &bzip2).unwrap_err();
        assert_eq!(error.message(), "xz: invalid header");
        assert!(error.hint_text().unwrap().contains("looks like bzip2"));
    }

    #[test]
    fn stops_at_the_limit() {
        let scene = Scene::new();
        let file = scene.open(&compress(Compression::Zstd, &vec![0; 100_000]));
        let limits = DecompressLimits { bytes: Some(50_000), ..DecompressLimits::default() };
        let mut reader = decompress(file, Compression::Zstd, limits).unwrap();
        let error = reader.read_to_end(&mut vec![]).unwrap_err();
        assert_eq!(io_error("read", "f", &error).code(), SqlState::PROGRAM_LIMIT_EXCEEDED);
    }

    #[test]
    fn tells_a_change_from_damage() {
        let scene = Scene::new();
        let content: Vec<u8> =
            (0..2_000_000_u64).flat_map(|n| n.wrapping_mul(n).to_le_bytes()).collect();
        let bytes = compress(Compression::Gzip, &content);
        let file = scene.open(&bytes);
        let mut reader = decompress(file, Compression::Gzip, DecompressLimits::default()).unwrap();
        reader.read_exact(&mut [0; 10]).unwrap();
        std::fs::write(scene.0.path().join("f"), &bytes[..bytes.len() / 2]).unwrap();
        let error = std::io::copy(&mut reader, &mut std::io::sink()).unwrap_err();
        let error = io_error("read", "f", &error);
        assert_eq!(error.code(), SqlState::OBJECT_NOT_IN_PREREQUISITE_STATE, "{error:?}");
    }
}
