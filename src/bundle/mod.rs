//! The files an import is given: one file, a folder or a zip, listed once and read as bounded streams.
//!
//! Members are never extracted to paths, and no size that a file declares is believed. A member's
//! name is a label: nothing here ever opens it as a path.

mod folder;
mod pack;
mod shared;
mod zip;

use std::collections::BTreeMap;
use std::fs::File;
use std::io::{self, Read, Seek, SeekFrom};
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use self::shared::SharedCursor;
use self::zip::{Archive, ZipReader};

pub use self::pack::{Packer, pack};
pub use self::shared::Seekable;

/// A file of a bundle.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Member {
    /// Its name relative to the bundle, with `/` between folders.
    pub name: String,
    /// The size its container declares: a hint for progress bars, never a bound.
    pub size_declared: Option<u64>,
}

impl Member {
    /// The file name without its folders.
    pub fn file_name(&self) -> &str {
        self.name.rsplit('/').next().unwrap_or(&self.name)
    }

    /// The lower-case extension of the file name; empty without one.
    pub fn extension(&self) -> String {
        match self.file_name().rsplit_once('.') {
            Some((stem, extension)) if !stem.is_empty() => extension.to_ascii_lowercase(),
            _ => String::new(),
        }
    }
}

/// Why a bundle or one of its members cannot be read. No variant carries content.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum BundleError {
    /// The operating system refused.
    #[error("cannot read the input: {0}")]
    Io(#[from] io::Error),
    /// The path is a socket, a device or the like.
    #[error("cannot read the input: not a file or a folder")]
    NotAFile,
    /// It belongs to the vault that is open.
    #[error("cannot read the input: it is a file of the vault itself")]
    OwnFile,
    /// More members than one import may hold.
    #[error("refused: more than {limit} files in one import")]
    TooManyMembers {
        /// The limit.
        limit: usize,
    },
    /// Folders nested deeper than anyone keeps them.
    #[error("refused: folders nested deeper than {limit}")]
    TooDeep {
        /// The limit.
        limit: usize,
    },
    /// The zip is encrypted.
    #[error("cannot read the zip: entry {entry} is encrypted")]
    Encrypted {
        /// Position in the central directory.
        entry: usize,
    },
    /// Two entries share a name, so that two readers would see two different archives.
    #[error("refused: the zip names a file twice")]
    DuplicateNames,
    /// The directory and its end record disagree about what the archive holds.
    #[error("refused: the zip's directory does not hold the entries it declares")]
    DirectoryMismatch,
    /// The central directory alone is larger than any honest one.
    #[error("refused: the zip's directory is larger than {limit} bytes")]
    DirectoryTooLarge {
        /// The limit.
        limit: u64,
    },
    /// The zip cannot be parsed.
    #[error("cannot read the zip: {reason}")]
    DamagedZip {
        /// The parser's word.
        reason: String,
    },
    /// An entry uses a method other than stored and deflate.
    #[error("cannot read the zip: entry {entry} uses a compression other than deflate")]
    UnsupportedCompression {
        /// Position among the members.
        entry: usize,
    },
    /// An entry's bytes do not match their checksum or size.
    #[error("cannot read the zip: entry {entry} is damaged")]
    DamagedEntry {
        /// Position among the members.
        entry: usize,
    },
    /// Reading went over a limit: a decompression bomb, or as good as one.
    #[error("refused: the zip expands beyond {limit}")]
    Expands {
        /// The limit in words.
        limit: &'static str,
    },
    /// What it was sealed in does not open any further.
    #[error("refused: {0}")]
    Unsealed(String),
    /// No member has this index.
    #[error("the input has no member {0}")]
    NoSuchMember(usize),
}

impl BundleError {
    /// Turns an error met while reading a member back into what it was.
    pub fn from_read(error: io::Error) -> Self {
        match error.downcast::<Self>() {
            Ok(own) => own,
            Err(other) => Self::Io(other),
        }
    }

    /// Whether the whole bundle is hostile, so that nothing of it should be kept.
    pub fn is_refusal(&self) -> bool {
        matches!(
            self,
            Self::Expands { .. }
                | Self::Unsealed(_)
                | Self::DuplicateNames
                | Self::DirectoryMismatch
                | Self::DirectoryTooLarge { .. }
                | Self::TooManyMembers { .. }
                | Self::TooDeep { .. }
        )
    }
}

/// Which file it is, whatever it is called.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct FileId {
    device: u64,
    inode: u64,
}

impl FileId {
    fn of(about: &std::fs::Metadata) -> Self {
        Self { device: about.dev(), inode: about.ino() }
    }

    /// The file at a path; none where there is none.
    pub fn at(path: &Path) -> Option<Self> {
        std::fs::metadata(path).ok().map(|about| Self::of(&about))
    }
}

/// Where the bytes come from.
enum Source {
    Files(Vec<PathBuf>),
    Shared(SharedCursor),
    Zip(Archive),
}

/// The files of one import. Shared between threads; several members may be open at once.
pub struct Bundle {
    members: Vec<Member>,
    source: Source,
    passed_over: BTreeMap<&'static str, u64>,
    unreadable: Vec<(String, BundleError)>,
    is_folder: bool,
}

/// The first bytes of every zip: a local file header, or the end record of an empty one (APPNOTE 4.3.7, 4.3.16).
const ZIP_MAGIC: [&[u8]; 2] = [b"PK\x03\x04", b"PK\x05\x06"];

fn is_zip(head: &[u8]) -> bool {
    ZIP_MAGIC.iter().any(|magic| head.starts_with(magic))
}

impl Bundle {
    /// Opens a file, a folder or a zip. A zip is known by its first bytes, never by its name.
    pub fn open_path(path: &Path) -> Result<Self, BundleError> {
        Self::open_path_without(path, &[])
    }

    /// The same where `own` are the files of an open vault: they are in no bundle. Its lock would go with the first
    /// descriptor of its file that is closed, and the vault would hold itself.
    pub fn open_path_without(path: &Path, own: &[FileId]) -> Result<Self, BundleError> {
        let metadata = std::fs::metadata(path)?;
        if metadata.is_dir() {
            let listing = folder::list(path, own)?;
            return Ok(Self {
                members: listing.members,
                source: Source::Files(listing.paths),
                passed_over: listing.passed_over,
                unreadable: listing.unreadable,
                is_folder: true,
            });
        }
        if !metadata.is_file() {
            return Err(BundleError::NotAFile);
        }
        if own.contains(&FileId::of(&metadata)) {
            return Err(BundleError::OwnFile);
        }
        let file = File::open(path)?;
        let mut head = Vec::with_capacity(4);
        (&file).take(4).read_to_end(&mut head)?;
        if is_zip(&head) {
            return Self::from_archive(Archive::read(SharedCursor::file(file)?)?);
        }
        let name = path.file_name().map_or_else(|| "input".into(), |name| name.to_string_lossy().into_owned());
        Ok(Self {
            members: vec![Member { name, size_declared: Some(metadata.len()) }],
            source: Source::Files(vec![std::fs::canonicalize(path)?]),
            passed_over: BTreeMap::new(),
            unreadable: Vec::new(),
            is_folder: false,
        })
    }

    /// Takes bytes in memory as a file of this name, or as a zip when they are one.
    pub fn from_bytes(name: &str, bytes: Vec<u8>) -> Result<Self, BundleError> {
        Self::from_shared(name, SharedCursor::memory(bytes))
    }

    /// Takes what was opened elsewhere, such as the plaintext of an encrypted file, as a file of this name, or as a zip when
    /// it is one. It is read as it is needed and stands nowhere else.
    pub fn from_opened(name: &str, opened: Box<dyn Seekable>) -> Result<Self, BundleError> {
        Self::from_shared(name, SharedCursor::opened(opened)?)
    }

    fn from_shared(name: &str, shared: SharedCursor) -> Result<Self, BundleError> {
        if is_zip(&shared.head(4).map_err(BundleError::from_read)?) {
            return Self::from_archive(Archive::read(shared)?);
        }
        let member = Member { name: name.to_owned(), size_declared: Some(shared.length()) };
        let source = Source::Shared(shared);
        Ok(Self {
            members: vec![member],
            source,
            passed_over: BTreeMap::new(),
            unreadable: Vec::new(),
            is_folder: false,
        })
    }

    fn from_archive((archive, members, passed_over): zip::Opened) -> Result<Self, BundleError> {
        Ok(Self { members, source: Source::Zip(archive), passed_over, unreadable: Vec::new(), is_folder: false })
    }

    /// The members, in a stable order.
    pub fn members(&self) -> &[Member] {
        &self.members
    }

    /// Whether it is a folder: what someone keeps together, not what a program wrote as one.
    pub fn is_folder(&self) -> bool {
        self.is_folder
    }

    /// Whether members can only be read from their start on, as in a zip.
    pub fn is_stream(&self) -> bool {
        matches!(self.source, Source::Zip(_))
    }

    /// Whether it is a zip of exactly these files in this order, with nothing else before, beside or behind them.
    pub fn is_zip_of<'n>(&self, names: impl Iterator<Item = &'n str>) -> Result<bool, BundleError> {
        match &self.source {
            Source::Zip(archive) => archive.has_exactly(names),
            _ => Ok(false),
        }
    }

    /// Whether a member begins like a zip, which would be an input of its own.
    pub fn is_zip(&self, index: usize) -> bool {
        self.head(index, 4).is_ok_and(|head| is_zip(&head))
    }

    /// What was left out while listing, by kind, with how often: links, system files.
    pub fn passed_over(&self) -> &BTreeMap<&'static str, u64> {
        &self.passed_over
    }

    /// Folders and files that could not be listed, by their name in the bundle.
    pub fn unreadable(&self) -> &[(String, BundleError)] {
        &self.unreadable
    }

    /// Where a member is a file, its path.
    pub fn path(&self, index: usize) -> Option<&Path> {
        match &self.source {
            Source::Files(paths) => paths.get(index).map(PathBuf::as_path),
            _ => None,
        }
    }

    /// Opens a member for reading from its start.
    ///
    /// A limit that is crossed while reading comes out as an [`io::Error`]; [`BundleError::from_read`]
    /// gives back what it was.
    pub fn open(&self, index: usize) -> Result<MemberReader, BundleError> {
        if index >= self.members.len() {
            return Err(BundleError::NoSuchMember(index));
        }
        let inner = match &self.source {
            Source::Files(paths) => {
                Inner::File(folder::open_plain(paths.get(index).ok_or(BundleError::NoSuchMember(index))?)?)
            }
            Source::Shared(shared) => Inner::Shared(shared.clone()),
            Source::Zip(archive) => Inner::Zip(Box::new(archive.open(index)?)),
        };
        Ok(MemberReader(inner))
    }

    /// Opens a member for reading from a place in it. In a zip, what stands before is read and passed over.
    pub fn open_at(&self, index: usize, place: u64) -> Result<MemberReader, BundleError> {
        let mut reader = self.open(index)?;
        match &mut reader.0 {
            Inner::File(file) => drop(file.seek(SeekFrom::Start(place))?),
            Inner::Shared(cursor) => drop(cursor.seek(SeekFrom::Start(place))?),
            Inner::Zip(zip) => {
                io::copy(&mut zip.take(place), &mut io::sink()).map_err(BundleError::from_read)?;
            }
        }
        Ok(reader)
    }

    /// The first bytes of a member, at most `limit`. Of a damaged member, those before the damage.
    pub fn head(&self, index: usize, limit: usize) -> Result<Vec<u8>, BundleError> {
        let mut head = Vec::new();
        match self.open(index)?.take(limit as u64).read_to_end(&mut head).map_err(BundleError::from_read) {
            Err(error) if error.is_refusal() || head.is_empty() => Err(error),
            _ => Ok(head),
        }
    }
}

/// A member being read.
pub struct MemberReader(Inner);

enum Inner {
    File(File),
    Shared(SharedCursor),
    Zip(Box<ZipReader>),
}

impl Read for MemberReader {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        match &mut self.0 {
            Inner::File(file) => file.read(buffer),
            Inner::Shared(cursor) => cursor.read(buffer),
            Inner::Zip(reader) => reader.read(buffer),
        }
    }
}

/// Names that operating systems and archivers add and no one wrote.
fn is_system_name(name: &str) -> bool {
    name.split('/').any(|part| part == "__MACOSX" || part.starts_with("._") || part == ".DS_Store")
        || name.ends_with("Thumbs.db")
        || name.ends_with("desktop.ini")
}
