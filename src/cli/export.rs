//! `export`: the source's bytes of one conversation exactly as they came, or all that is known of it as JSONL.

use std::io::{IsTerminal, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use serde_json::json;

use super::arguments::{Export, ExportFormat};
use super::failure::Failure;
use super::output::Outcome;
use super::session::{Session, reading};
use super::show::{id, not_served};
use crate::conversation::{Attachment, Conversation};
use crate::crypto::hash;
use crate::export::jsonl::{self, Beside, Of, Pieces};
use crate::selector::IdPrefix;
use crate::vault::{CanRead, Entry, Reading, Vault, VaultError, hex};

pub(super) fn run(session: &Session, options: &Export) -> Result<Outcome, Failure> {
    let prefix = id(&options.id)?;
    if !options.plaintext {
        return Err(Failure::usage(
            "exports are written unencrypted: this version cannot encrypt them",
            "agree with --plaintext",
        ));
    }
    if options.output.is_none() && (session.global.json || std::io::stdout().is_terminal()) {
        return Err(Failure::usage("the bytes would go to the terminal, or into the JSON", "name a file with -o FILE"));
    }
    reading!(session, vault => exported(session, vault, &prefix, options))
}

fn exported<A: CanRead>(
    session: &Session,
    mut vault: Vault<A>,
    prefix: &IdPrefix,
    options: &Export,
) -> Result<Outcome, Failure> {
    let segments = vault.segments(prefix.digits())?;
    let all = segments.len();
    let served = session.serve(&vault, segments)?;
    let notes: Vec<String> = not_served(all - served.len()).into_iter().collect();
    let entry = served.last().ok_or_else(|| Failure::failed("there is nothing to export"))?;
    if entry.is_month() && matches!(options.format, ExportFormat::Original) {
        session.close(vault)?;
        return Err(Failure::failed(
            "of a chat that is kept month by month the vault holds no source bytes: they would outlive its months",
        )
        .with_hint("export what it holds with --format jsonl"));
    }
    // Before the first byte goes out.
    session.log_reading(&mut vault, Reading::Export(entry.conversation))?;
    let mut out = Target::open(options.output.as_deref())?;
    let written = match options.format {
        ExportFormat::Original => original(&vault, entry, options.earlier, &mut out),
        ExportFormat::Jsonl if options.earlier > 0 => Err(Failure::usage(
            "--earlier goes with --format original",
            "JSONL has every state of the source's bytes in it",
        )),
        ExportFormat::Jsonl => {
            let path = options.output.as_deref();
            jsonl(&vault, &served, &mut out, |error| unwritten(path, error))
        }
    };
    let written = written.and_then(|()| out.finish());
    session.close(vault)?;
    let digest = written?;
    let Some(path) = &options.output else {
        return Ok(Outcome { bytes: Some(Vec::new()), notes, ..Outcome::default() });
    };
    let json = json!({
        "schema": "convault.export/1",
        "id": hex(&entry.conversation),
        "format": match options.format {
            ExportFormat::Original => "original",
            ExportFormat::Jsonl => "jsonl",
        },
        "file": path.to_string_lossy(),
        "bytes": digest.1,
        "sha256": hex(&digest.0),
    });
    let text = format!(
        "wrote {} ({} bytes, unencrypted)\nsha256 {}\n",
        crate::inert::inert_line(&path.to_string_lossy()),
        digest.1,
        hex(&digest.0)
    );
    Ok(Outcome { text, json, notes, ..Outcome::default() })
}

/// The line of a conversation out of its segments and, behind it, every byte that belongs to it.
pub(super) fn jsonl<A: CanRead>(
    vault: &Vault<A>,
    segments: &[Entry],
    out: &mut impl Write,
    failure: impl Fn(&std::io::Error) -> Failure,
) -> Result<(), Failure> {
    let entry = &Entry::whole(segments).ok_or_else(|| Failure::failed("there is nothing to export"))?;
    let (mut months, mut originals, mut files) = (Vec::new(), Vec::new(), Vec::new());
    for segment in segments {
        let body = vault.body(segment)?;
        files.push(body.conversation.attachments.clone());
        months.push(body.conversation);
        originals.extend(body.originals);
    }
    let conversation = Conversation::of_months(months);
    let names = vault.tag_names()?;
    let mut tags: Vec<String> = entry.facts.tags.iter().filter_map(|id| names.get(id).cloned()).collect();
    // By name: the order of their ids is another in every vault.
    tags.sort_unstable();
    let sizes: Vec<usize> = originals.iter().map(|original| original.len()).collect();
    let beside = Beside { source: &entry.card.source, tags: &tags, originals: &sizes };
    let written = jsonl::conversation(&conversation, &beside, out).and_then(|()| {
        originals.iter().enumerate().try_for_each(|(index, original)| {
            let mut pieces = Pieces::new(&mut *out, Of::Original, index);
            pieces.write_all(original)?;
            pieces.finish()
        })
    });
    written.map_err(|error| failure(&error))?;
    let mut first = 0;
    for (segment, files) in segments.iter().zip(&files) {
        attachments(vault, segment, (first, files), out, &failure)?;
        first += files.len();
    }
    Ok(())
}

/// The bytes of a segment's files, of which the first has this index in the conversation's line.
fn attachments<A: CanRead>(
    vault: &Vault<A>,
    entry: &Entry,
    (first, files): (usize, &[Attachment]),
    out: &mut impl Write,
    failure: impl Fn(&std::io::Error) -> Failure,
) -> Result<(), Failure> {
    let files = (first..).zip(files);
    let stored: Vec<_> = files.filter_map(|(index, attachment)| Some((index, attachment.objects?))).collect();
    let objects: Vec<_> = stored.iter().map(|(_, objects)| *objects).collect();
    let Some((first, _)) = stored.first() else { return Ok(()) };
    let mut pieces = Pieces::new(&mut *out, Of::Attachment, *first);
    let mut failed = None;
    let read = vault.attachments(entry, &objects, |number, bytes| {
        let written = match (bytes, stored.get(number + 1)) {
            (Some(bytes), _) => pieces.write_all(bytes),
            (None, Some((next, _))) => pieces.next(*next),
            (None, None) => Ok(()),
        };
        written.map_err(|error| stop(&mut failed, error))
    });
    let read = read.and_then(|()| pieces.finish().map_err(|error| stop(&mut failed, error)));
    come_of(read, failed, failure)
}

/// Keeps why the output cannot be written, and ends the reading.
fn stop(failed: &mut Option<std::io::Error>, error: std::io::Error) -> VaultError {
    *failed = Some(error);
    VaultError::Refused("the output cannot be written")
}

/// What came of reading into the output.
fn come_of(
    read: Result<(), VaultError>,
    failed: Option<std::io::Error>,
    failure: impl Fn(&std::io::Error) -> Failure,
) -> Result<(), Failure> {
    match failed {
        Some(error) => Err(failure(&error)),
        None => Ok(read?),
    }
}

fn original<A: CanRead>(vault: &Vault<A>, entry: &Entry, earlier: usize, out: &mut Target<'_>) -> Result<(), Failure> {
    let body = vault.body(entry)?;
    match body.originals.get(earlier) {
        Some(original) => out.write_all(original).map_err(|error| out.failure(&error)),
        None if !body.originals.is_empty() => Err(Failure::failed(format!(
            "there is no state {earlier}: {} kept",
            super::import::count(body.originals.len() as u64, "state")
        ))),
        // A whole file is its attachment.
        None => {
            let pieces = body.conversation.attachments.first().and_then(|attachment| attachment.objects);
            let pieces =
                pieces.ok_or_else(|| Failure::failed("the vault holds no source bytes of this conversation"))?;
            let mut failed = None;
            let read = vault.attachments(entry, &[pieces], |_, bytes| {
                out.write_all(bytes.unwrap_or_default()).map_err(|error| stop(&mut failed, error))
            });
            come_of(read, failed, |error| out.failure(error))
        }
    }
}

/// Stdout, or a file under a temporary name beside its own until it is whole.
struct Target<'a> {
    /// Set by Ctrl-C: the temporary file must not stay.
    stop: Arc<AtomicBool>,
    out: Box<dyn Write>,
    file: Option<(&'a Path, std::path::PathBuf)>,
    hasher: Option<hash::Hasher>,
    size: u64,
}

fn unwritten(path: Option<&Path>, error: &std::io::Error) -> Failure {
    match path {
        Some(path) => Failure::io(path, error),
        None => Failure::failed(format!("cannot write the output: {error}")),
    }
}

impl<'a> Target<'a> {
    fn open(path: Option<&'a Path>) -> Result<Self, Failure> {
        let hasher = Some(hash::Hasher::new());
        let stop = Arc::default();
        let Some(path) = path else {
            return Ok(Self { stop, out: Box::new(std::io::stdout().lock()), file: None, hasher, size: 0 });
        };
        super::process::stop_on_signals(&stop);
        // A link that leads nowhere is something too.
        if path.symlink_metadata().is_ok() {
            return Err(Failure::failed(format!("{} exists already", path.display())));
        }
        let mut name = path.as_os_str().to_owned();
        name.push(format!(".{:08x}.part", u32::from_be_bytes(crate::crypto::random::array())));
        let part = std::path::PathBuf::from(name);
        let file = std::fs::OpenOptions::new().write(true).create_new(true).mode(0o600).open(&part);
        let file = file.map_err(|error| Failure::io(&part, &error))?;
        Ok(Self { stop, out: Box::new(file), file: Some((path, part)), hasher, size: 0 })
    }

    fn failure(&self, error: &std::io::Error) -> Failure {
        unwritten(self.file.as_ref().map(|(path, _)| *path), error)
    }

    /// Gives the file its name; the digest and size of what was written.
    fn finish(&mut self) -> Result<([u8; 32], u64), Failure> {
        self.out.flush().map_err(|error| self.failure(&error))?;
        if let Some((path, part)) = self.file.take() {
            let named = std::fs::File::open(&part).and_then(|file| file.sync_all());
            // A hard link refuses to replace what somebody else put there meanwhile. Sticks formatted
            // with FAT have none; there the check at the beginning has to do.
            let named = named.and_then(|()| match std::fs::hard_link(&part, path) {
                Err(_) if path.symlink_metadata().is_err() => std::fs::rename(&part, path),
                other => other,
            });
            let _ = std::fs::remove_file(&part);
            named.map_err(|error| Failure::io(path, &error))?;
        }
        let hasher = self.hasher.take().unwrap_or_else(hash::Hasher::new);
        Ok((hasher.finish(), self.size))
    }
}

impl Drop for Target<'_> {
    fn drop(&mut self) {
        if let Some((_, part)) = &self.file {
            let _ = std::fs::remove_file(part);
        }
    }
}

impl Write for Target<'_> {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        if self.stop.load(Ordering::Relaxed) {
            return Err(std::io::Error::other("interrupted; nothing is left of it"));
        }
        let count = self.out.write(bytes)?;
        if let Some(hasher) = &mut self.hasher {
            hasher.update(&bytes[..count]);
        }
        self.size += count as u64;
        Ok(count)
    }

    fn flush(&mut self) -> std::io::Result<()> {
        self.out.flush()
    }
}
