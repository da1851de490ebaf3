//! Reads zip members as streams, with every limit enforced on bytes that were really produced.
//!
//! The zip crate parses the directory; inflating happens here, because a member must own its reader
//! (several are open at once, on several threads) and the ratio needs the bytes really consumed.

use std::collections::BTreeMap;
use std::io::{self, BufRead, BufReader, Read, Seek, SeekFrom};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use flate2::Crc;
use flate2::bufread::DeflateDecoder;
use zip::{CompressionMethod, ZipArchive};

use super::shared::SharedCursor;
use super::{BundleError, Member, is_system_name};

/// Most entries in one zip. ChatGPT exports with years of images hold about 20,000.
pub(super) const MAX_ENTRIES: usize = 100_000;
/// Largest central directory: 100,000 entries with names of 600 bytes.
pub(super) const MAX_DIRECTORY: u64 = 64 << 20;
/// Most bytes one entry may become. Messengers cap a file at 2 to 4 GiB.
const MAX_ENTRY_BYTES: u64 = 8 << 30;
/// Most bytes all entries together may become.
const MAX_TOTAL_BYTES: u64 = 128 << 30;
/// Most bytes out for a byte in. Exports measure 3 to 20; deflate's ceiling, a bomb's, is 1,032.
const MAX_RATIO: u64 = 200;
/// Below this size the ratio says nothing: a short file of spaces is no bomb.
const RATIO_FLOOR: u64 = 16 << 20;

/// Room for the compressed bytes of one open member.
const BUFFER: usize = 64 << 10;

/// How far each member was read, and all of them together.
///
/// A member may be read twice (to detect, then to import), so only bytes beyond the furthest point
/// reached before count towards the total.
struct Meter {
    furthest: Vec<AtomicU64>,
    total: AtomicU64,
}

pub(super) struct Archive {
    archive: ZipArchive<SharedCursor>,
    /// Index in the archive of each member: directories and system files are left out.
    entries: Vec<usize>,
    meter: Arc<Meter>,
}

pub(super) type Opened = (Archive, Vec<Member>, BTreeMap<&'static str, u64>);

impl Archive {
    pub(super) fn read(cursor: SharedCursor) -> Result<Opened, BundleError> {
        refuse_large_directory(&cursor)?;
        let archive = ZipArchive::new(cursor.clone()).map_err(damaged)?;
        if archive.has_duplicate_names() {
            return Err(BundleError::DuplicateNames);
        }
        if archive.len() > MAX_ENTRIES {
            return Err(BundleError::TooManyMembers { limit: MAX_ENTRIES });
        }
        check_directory(&cursor, archive.central_directory_start(), archive.len())?;

        let mut passed_over = BTreeMap::new();
        let mut members = Vec::new();
        let mut entries = Vec::new();
        for index in 0..archive.len() {
            let entry = archive.by_index_data(index).map_err(damaged)?;
            let name = match entry.name() {
                Ok(name) => name.replace('\\', "/"),
                Err(_) => String::from_utf8_lossy(entry.name_raw()).replace('\\', "/"),
            };
            if entry.is_dir() || name.ends_with('/') {
                continue;
            }
            if is_system_name(&name) {
                *passed_over.entry("system file").or_default() += 1;
                continue;
            }
            if entry.is_symlink() {
                *passed_over.entry("symbolic link").or_default() += 1;
                continue;
            }
            if entry.encrypted() {
                return Err(BundleError::Encrypted { entry: index });
            }
            members.push(Member { name, size_declared: Some(entry.size()) });
            entries.push(index);
        }
        strip_enclosing_folder(&mut members);
        let furthest = entries.iter().map(|_| AtomicU64::new(0)).collect();
        let meter = Arc::new(Meter { furthest, total: AtomicU64::new(0) });
        Ok((Self { archive, entries, meter }, members, passed_over))
    }

    /// Whether these entries, in this order, are all that the archive has, with nothing before the first, no comment and
    /// nothing behind its end.
    pub(super) fn has_exactly<'n>(&self, names: impl Iterator<Item = &'n str>) -> Result<bool, BundleError> {
        let mut archive = self.archive.clone();
        let mut raw = Vec::new();
        for index in 0..archive.len() {
            raw.push(archive.by_index_raw(index).map_err(damaged)?.name_raw().to_vec());
        }
        let is_bare = archive.offset() == 0 && archive.comment().is_empty();
        let mut cursor = archive.into_inner();
        let mut end = Vec::new();
        cursor.seek(SeekFrom::Start(cursor.length().saturating_sub(22)))?;
        cursor.read_to_end(&mut end)?;
        let ends = end.starts_with(END_RECORD) && end.ends_with(&[0, 0]);
        Ok(is_bare && ends && names.map(str::as_bytes).eq(raw.iter().map(Vec::as_slice)))
    }

    pub(super) fn open(&self, member: usize) -> Result<ZipReader, BundleError> {
        let index = *self.entries.get(member).ok_or(BundleError::NoSuchMember(member))?;
        // The clone shares the directory; it exists because locating the data needs a position.
        let mut archive = self.archive.clone();
        let entry = archive.by_index_raw(index).map_err(damaged)?;
        let start = entry.data_start().ok_or(BundleError::DamagedEntry { entry: member })?;
        let (compressed, size, crc) = (entry.compressed_size(), entry.size(), entry.crc32());
        let method = entry.compression();
        drop(entry);
        let mut cursor = archive.into_inner();
        cursor.seek(SeekFrom::Start(start))?;
        let data = BufReader::with_capacity(BUFFER, cursor.take(compressed));
        let body = match method {
            CompressionMethod::Stored => Body::Stored(data),
            CompressionMethod::Deflated => Body::Deflated(DeflateDecoder::new(data)),
            _ => return Err(BundleError::UnsupportedCompression { entry: member }),
        };
        let meter = Arc::clone(&self.meter);
        Ok(ZipReader { body, member, produced: 0, size, crc_declared: crc, crc: Crc::new(), meter, done: false })
    }
}

fn damaged(error: zip::result::ZipError) -> BundleError {
    match error {
        zip::result::ZipError::Io(error) if error.kind() != io::ErrorKind::UnexpectedEof => {
            BundleError::from_read(error)
        }
        other => BundleError::DamagedZip { reason: other.to_string() },
    }
}

/// Drops the one folder that re-zipping an unpacked export adds around everything.
fn strip_enclosing_folder(members: &mut [Member]) {
    let Some((folder, _)) = members.first().and_then(|first| first.name.split_once('/')) else { return };
    let prefix = format!("{folder}/");
    if members.iter().all(|member| member.name.starts_with(&prefix)) {
        for member in members {
            member.name.drain(..prefix.len());
        }
    }
}

const END_RECORD: &[u8; 4] = b"PK\x05\x06";
const END_RECORD_64: &[u8; 4] = b"PK\x06\x06";
const LOCATOR_64: &[u8; 4] = b"PK\x06\x07";
const CENTRAL_HEADER: &[u8; 4] = b"PK\x01\x02";
const SIGNATURE_RECORD: &[u8; 4] = b"PK\x05\x05";

fn little(bytes: &[u8], at: usize, width: usize) -> Option<u64> {
    let field = bytes.get(at..at.checked_add(width)?)?;
    Some(field.iter().rev().fold(0, |value, byte| value << 8 | u64::from(*byte)))
}

/// Refuses a directory that declares itself too large before anything is allocated for it.
///
/// Every end record in the last 64 KiB is looked at, because the parser may settle on any of them.
fn refuse_large_directory(cursor: &SharedCursor) -> Result<(), BundleError> {
    // 22 bytes of record, 20 of the 64-bit locator before it, 65,535 of comment (APPNOTE 4.3.16).
    let start = cursor.length().saturating_sub(22 + 20 + 65_535);
    let mut tail = Vec::new();
    let mut reader = cursor.clone();
    reader.seek(SeekFrom::Start(start))?;
    reader.take(22 + 20 + 65_535).read_to_end(&mut tail)?;
    for at in memchr::memmem::find_iter(&tail, END_RECORD) {
        let (Some(mut count), Some(mut size)) = (little(&tail, at + 10, 2), little(&tail, at + 12, 4)) else {
            continue;
        };
        let locator = at.checked_sub(20).filter(|from| tail.get(*from..).is_some_and(|t| t.starts_with(LOCATOR_64)));
        if let Some(position) = locator.and_then(|from| little(&tail, from + 8, 8)) {
            let mut record = Vec::new();
            let mut reader = cursor.clone();
            reader.seek(SeekFrom::Start(position))?;
            reader.take(56).read_to_end(&mut record)?;
            if record.starts_with(END_RECORD_64) {
                count = count.max(little(&record, 32, 8).unwrap_or(u64::MAX));
                size = if size == u64::from(u32::MAX) { 0 } else { size };
                size = size.max(little(&record, 40, 8).unwrap_or(u64::MAX));
            }
        }
        if count > MAX_ENTRIES as u64 {
            return Err(BundleError::TooManyMembers { limit: MAX_ENTRIES });
        }
        if size > MAX_DIRECTORY {
            return Err(BundleError::DirectoryTooLarge { limit: MAX_DIRECTORY });
        }
    }
    Ok(())
}

/// Walks the central directory: exactly `count` headers, and the end record right behind them.
///
/// An end record that counts fewer entries than there are hides the others from this reader and
/// shows them to the next.
fn check_directory(cursor: &SharedCursor, start: u64, count: usize) -> Result<(), BundleError> {
    let mut cursor = cursor.clone();
    cursor.seek(SeekFrom::Start(start))?;
    let mut reader = BufReader::with_capacity(BUFFER, cursor);
    let mut header = [0; 46];
    for _ in 0..count {
        reader.read_exact(&mut header).map_err(|_| BundleError::DirectoryMismatch)?;
        let rest = [28, 30, 32].iter().map(|at| little(&header, *at, 2).unwrap_or(0)).sum::<u64>();
        if !header.starts_with(CENTRAL_HEADER) || io::copy(&mut (&mut reader).take(rest), &mut io::sink())? != rest {
            return Err(BundleError::DirectoryMismatch);
        }
    }
    let mut next = [0; 4];
    reader.read_exact(&mut next).map_err(|_| BundleError::DirectoryMismatch)?;
    if [END_RECORD, END_RECORD_64, SIGNATURE_RECORD].contains(&&next) {
        Ok(())
    } else {
        Err(BundleError::DirectoryMismatch)
    }
}

enum Body {
    Stored(BufReader<io::Take<SharedCursor>>),
    Deflated(DeflateDecoder<BufReader<io::Take<SharedCursor>>>),
}

/// One member of a zip being inflated.
pub(super) struct ZipReader {
    body: Body,
    member: usize,
    produced: u64,
    size: u64,
    crc_declared: u32,
    crc: Crc,
    meter: Arc<Meter>,
    done: bool,
}

impl ZipReader {
    /// Counts `count` new bytes and refuses when a limit is crossed.
    fn account(&mut self, count: usize) -> Result<(), BundleError> {
        self.produced += count as u64;
        if self.produced > MAX_ENTRY_BYTES {
            return Err(BundleError::Expands { limit: "8 GiB in one file" });
        }
        if let Body::Deflated(decoder) = &self.body {
            let allowed = decoder.total_in().saturating_mul(MAX_RATIO).max(RATIO_FLOOR);
            if self.produced > allowed {
                return Err(BundleError::Expands { limit: "200 times its size" });
            }
        }
        let Some(furthest) = self.meter.furthest.get(self.member) else { return Ok(()) };
        let before = furthest.fetch_max(self.produced, Ordering::Relaxed);
        let fresh = self.produced.saturating_sub(before);
        if self.meter.total.fetch_add(fresh, Ordering::Relaxed) + fresh > MAX_TOTAL_BYTES {
            return Err(BundleError::Expands { limit: "128 GiB in all" });
        }
        Ok(())
    }
}

impl Read for ZipReader {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        if self.done || buffer.is_empty() {
            return Ok(0);
        }
        let damaged = BundleError::DamagedEntry { entry: self.member };
        let count = match &mut self.body {
            Body::Stored(data) => data.read(buffer)?,
            Body::Deflated(decoder) => match decoder.read(buffer) {
                Ok(count) => count,
                // The decoder's own words for a bad stream; a failing disk keeps its error.
                Err(e)
                    if matches!(
                        e.kind(),
                        io::ErrorKind::InvalidInput | io::ErrorKind::UnexpectedEof | io::ErrorKind::InvalidData
                    ) =>
                {
                    return Err(io::Error::new(io::ErrorKind::InvalidData, damaged));
                }
                Err(e) => return Err(e),
            },
        };
        if count == 0 {
            self.done = true;
            // A deflate stream may end early inside its allotted bytes; the rest is then nobody's.
            let left_over = match &mut self.body {
                Body::Stored(_) => false,
                Body::Deflated(decoder) => !decoder.get_mut().fill_buf()?.is_empty(),
            };
            if self.crc.sum() != self.crc_declared || self.produced != self.size || left_over {
                return Err(io::Error::new(io::ErrorKind::InvalidData, damaged));
            }
            return Ok(0);
        }
        self.crc.update(&buffer[..count]);
        self.account(count).map_err(io::Error::other)?;
        Ok(count)
    }
}
