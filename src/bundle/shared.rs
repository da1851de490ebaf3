//! Bytes that many readers share, each with a place of its own: a file, memory, or what was opened elsewhere.

use std::fs::File;
use std::io::{self, Read, Seek, SeekFrom};
use std::os::unix::fs::FileExt;
use std::sync::{Arc, Mutex, PoisonError};

use super::BundleError;

/// What can be read from any place on. A name for two traits together, which no box can hold otherwise.
pub trait Seekable: Read + Seek + Send {}

impl<T: Read + Seek + Send> Seekable for T {}

#[derive(Clone)]
enum Shared {
    File(Arc<File>),
    Memory(Arc<[u8]>),
    /// One at a time: it has one place.
    Opened(Arc<Mutex<Box<dyn Seekable>>>),
}

/// A reader of its own over shared bytes.
#[derive(Clone)]
pub(super) struct SharedCursor {
    shared: Shared,
    position: u64,
    length: u64,
}

impl SharedCursor {
    pub(super) fn file(file: File) -> io::Result<Self> {
        let length = file.metadata()?.len();
        Ok(Self { shared: Shared::File(Arc::new(file)), position: 0, length })
    }

    pub(super) fn memory(bytes: Vec<u8>) -> Self {
        let length = bytes.len() as u64;
        Self { shared: Shared::Memory(bytes.into()), position: 0, length }
    }

    pub(super) fn opened(mut bytes: Box<dyn Seekable>) -> io::Result<Self> {
        let length = bytes.seek(SeekFrom::End(0))?;
        Ok(Self { shared: Shared::Opened(Arc::new(Mutex::new(bytes))), position: 0, length })
    }

    pub(super) fn length(&self) -> u64 {
        self.length
    }

    /// The first bytes, at most `limit`.
    pub(super) fn head(&self, limit: u64) -> io::Result<Vec<u8>> {
        let mut head = Vec::new();
        Self { position: 0, ..self.clone() }.take(limit).read_to_end(&mut head)?;
        Ok(head)
    }
}

impl Read for SharedCursor {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let count = match &self.shared {
            Shared::File(file) => file.read_at(buffer, self.position)?,
            Shared::Memory(bytes) => {
                let start = usize::try_from(self.position).unwrap_or(usize::MAX);
                let rest = bytes.get(start..).unwrap_or_default();
                let count = rest.len().min(buffer.len());
                buffer[..count].copy_from_slice(&rest[..count]);
                count
            }
            Shared::Opened(bytes) => {
                let mut bytes = bytes.lock().unwrap_or_else(PoisonError::into_inner);
                bytes.seek(SeekFrom::Start(self.position))?;
                bytes.read(buffer).map_err(|error| match error.kind() {
                    // What was read of it before is not to be kept alone.
                    io::ErrorKind::InvalidData => io::Error::other(BundleError::Unsealed(error.to_string())),
                    _ => error,
                })?
            }
        };
        self.position += count as u64;
        Ok(count)
    }
}

impl Seek for SharedCursor {
    fn seek(&mut self, to: SeekFrom) -> io::Result<u64> {
        let target = match to {
            SeekFrom::Start(position) => Some(position),
            SeekFrom::End(offset) => self.length.checked_add_signed(offset),
            SeekFrom::Current(offset) => self.position.checked_add_signed(offset),
        };
        self.position = target.ok_or_else(|| io::Error::from(io::ErrorKind::InvalidInput))?;
        Ok(self.position)
    }
}
