//! Where an export goes: stdout, or a file that has a temporary name beside its own until it is whole.

use std::io::{self, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use crate::cli::failure::Failure;
use crate::crypto::{Digest, hash};

/// Stdout or a file, counted and hashed.
pub(in crate::cli) struct Target {
    /// Set by Ctrl-C: the temporary file must not stay.
    stop: Arc<AtomicBool>,
    out: Box<dyn Write>,
    file: Option<Named>,
    hasher: hash::Hasher,
    size: u64,
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
        let (stop, hasher) = (Arc::default(), hash::Hasher::new());
        super::super::process::stop_on_signals(&stop);
        let Some(path) = path else {
            return Ok(Self { stop, out: Box::new(io::stdout().lock()), file: None, hasher, size: 0 });
        };
        refuse_existing(path, replaces)?;
        let mut name = path.as_os_str().to_owned();
        name.push(format!(".{:08x}.part", u32::from_be_bytes(crate::crypto::random::array())));
        let part = PathBuf::from(name);
        let file = std::fs::OpenOptions::new().write(true).create_new(true).mode(0o600).open(&part);
        let file = file.map_err(|error| Failure::io(&part, &error))?;
        let out = Box::new(io::BufWriter::with_capacity(1 << 20, file));
        Ok(Self { stop, out, file: Some(Named { path: path.to_owned(), part, replaces }), hasher, size: 0 })
    }

    /// Gives the file its name; the digest and size of what was written.
    pub(in crate::cli) fn finish(mut self) -> Result<(Digest, u64), Failure> {
        let failure = |path: Option<&Path>, error: &io::Error| match path {
            Some(path) => Failure::io(path, error),
            None => Failure::failed(format!("cannot write the output: {error}")),
        };
        let path = self.file.as_ref().map(|file| file.path.clone());
        self.flush().map_err(|error| failure(path.as_deref(), &error))?;
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
        Ok((self.hasher.clone().finish(), self.size))
    }
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
        if let Some(file) = &self.file {
            let _ = std::fs::remove_file(&file.part);
        }
    }
}

impl Write for Target {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        if self.stop.load(Ordering::Relaxed) {
            return Err(io::Error::other("interrupted; nothing is left of it"));
        }
        let count = self.out.write(bytes)?;
        self.hasher.update(&bytes[..count]);
        self.size += count as u64;
        Ok(count)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.out.flush()
    }
}
