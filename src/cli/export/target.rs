//! Where an export goes: stdout, or a file that has a temporary name beside its own until it is whole.

use std::io::{self, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{SyncSender, sync_channel};
use std::thread::JoinHandle;

use crate::cli::failure::Failure;
use crate::crypto::{Digest, hash};

/// What waits to be written: pieces, and how large each is.
const WAITING: usize = 4;
const PIECE: usize = 1 << 20;

/// Stdout or a file, counted and hashed. A thread of its own writes, so that what comes next is made meanwhile.
pub(in crate::cli) struct Target {
    /// Set by Ctrl-C: the temporary file must not stay.
    stop: Arc<AtomicBool>,
    buffer: Vec<u8>,
    writer: Option<Writer>,
    file: Option<Named>,
}

struct Writer {
    pieces: SyncSender<Vec<u8>>,
    thread: JoinHandle<io::Result<(Digest, u64)>>,
}

impl Writer {
    fn start(mut out: impl Write + Send + 'static) -> Self {
        let (pieces, waiting) = sync_channel::<Vec<u8>>(WAITING);
        let thread = std::thread::spawn(move || {
            let (mut hasher, mut size) = (hash::Hasher::new(), 0);
            for piece in waiting {
                out.write_all(&piece)?;
                hasher.update(&piece);
                size += piece.len() as u64;
            }
            out.flush()?;
            Ok((hasher.finish(), size))
        });
        Self { pieces, thread }
    }

    /// What came of all that was written.
    fn end(self) -> io::Result<(Digest, u64)> {
        drop(self.pieces);
        self.thread.join().unwrap_or_else(|_| Err(io::Error::other("the writer has ended")))
    }
}

struct Named {
    path: PathBuf,
    part: PathBuf,
    /// Whether something that is there may be replaced.
    replaces: bool,
}

impl Target {
    /// Opens stdout, or a file beside `path`, which must not exist unless it `replaces`.
    pub(in crate::cli) fn open(path: Option<&Path>, replaces: bool) -> Result<Self, Failure> {
        let stop = Arc::default();
        super::super::process::stop_on_signals(&stop);
        let buffer = Vec::with_capacity(PIECE);
        let Some(path) = path else {
            return Ok(Self { stop, buffer, writer: Some(Writer::start(io::stdout())), file: None });
        };
        refuse_existing(path, replaces)?;
        let mut name = path.as_os_str().to_owned();
        name.push(format!(".{:08x}.part", u32::from_be_bytes(crate::crypto::random::array())));
        let part = PathBuf::from(name);
        let file = std::fs::OpenOptions::new().write(true).create_new(true).mode(0o600).open(&part);
        let file = file.map_err(|error| Failure::io(&part, &error))?;
        let file_at = Named { path: path.to_owned(), part, replaces };
        Ok(Self { stop, buffer, writer: Some(Writer::start(file)), file: Some(file_at) })
    }

    /// Gives the file its name; the digest and size of what was written.
    pub(in crate::cli) fn finish(mut self) -> Result<(Digest, u64), Failure> {
        let path = self.file.as_ref().map(|file| file.path.clone());
        let failure = |error: io::Error| match &path {
            Some(path) => Failure::io(path, &error),
            None => super::unwritten(&error),
        };
        self.hand_over().map_err(failure)?;
        let writer = self.writer.take().map_or_else(|| Err(ended()), Writer::end);
        let written = writer.map_err(failure)?;
        if let Some(Named { path, part, replaces }) = self.file.take() {
            let named = std::fs::File::open(&part).and_then(|file| file.sync_all()).and_then(|()| match replaces {
                true => std::fs::rename(&part, &path),
                // A hard link refuses to replace what somebody else put there meanwhile. Sticks formatted with FAT have
                // none; there the check at the beginning has to do.
                false => match std::fs::hard_link(&part, &path) {
                    Err(_) if path.symlink_metadata().is_err() => std::fs::rename(&part, &path),
                    other => other,
                },
            });
            let _ = std::fs::remove_file(&part);
            named.map_err(|error| Failure::io(&path, &error))?;
            // So that the name is as durable as what it names; not every file system can.
            let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
            let _ = std::fs::File::open(folder).and_then(|folder| folder.sync_all());
        }
        Ok(written)
    }

    fn hand_over(&mut self) -> io::Result<()> {
        let piece = std::mem::replace(&mut self.buffer, Vec::with_capacity(PIECE));
        let writer = self.writer.as_ref().ok_or_else(ended)?;
        match writer.pieces.send(piece) {
            Ok(()) => Ok(()),
            // It says why it takes nothing any more.
            Err(_) => Err(self.writer.take().map_or_else(|| Err(ended()), Writer::end).err().unwrap_or_else(ended)),
        }
    }
}

/// Ctrl-C or SIGTERM while something was written.
#[derive(Debug, thiserror::Error)]
#[error("interrupted")]
pub(in crate::cli) struct Interrupted;

fn ended() -> io::Error {
    io::Error::other("the output has ended")
}

/// Refuses a path where something is.
pub(in crate::cli) fn refuse_existing(path: &Path, replaces: bool) -> Result<(), Failure> {
    // A link that leads nowhere is something too.
    match path.symlink_metadata() {
        Ok(about) if about.is_dir() => Err(Failure::failed(format!("{} is a folder", path.display()))),
        Ok(_) if !replaces => Err(Failure::failed(format!("{} exists already", path.display()))
            .with_hint("name another file, or replace it with --force")),
        _ => Ok(()),
    }
}

impl Drop for Target {
    fn drop(&mut self) {
        if let Some(writer) = self.writer.take() {
            let _ = writer.end();
        }
        if let Some(file) = &self.file {
            let _ = std::fs::remove_file(&file.part);
        }
    }
}

impl Write for Target {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        if self.stop.load(Ordering::Relaxed) {
            return Err(io::Error::other(Interrupted));
        }
        let count = bytes.len().min(PIECE - self.buffer.len());
        self.buffer.extend_from_slice(&bytes[..count]);
        if self.buffer.len() == PIECE {
            self.hand_over()?;
        }
        Ok(count)
    }

    /// Hands over what is there; that all of it was written, only [`Target::finish`] says.
    fn flush(&mut self) -> io::Result<()> {
        if self.buffer.is_empty() { Ok(()) } else { self.hand_over() }
    }
}
