//! A recorded plan written out: rendered by all cores, in order, in bounded memory, with its proofs and its manifest.

use std::collections::HashMap;
use std::io::{self, Write};

use super::line::Read;
use super::originals::originals;
use super::statement::{Bytes, Claims, Content, Hashed, nodes_json, ranges, ranges_json, sign};
use super::tree::{Node, prove, root};
use super::{Chosen, DisclosureError, Form, Part, Plan, Recorded};
use crate::clock::Instant;
use crate::conversation::{Conversation, Message};
use crate::crypto::Digest;
use crate::crypto::hash::{Hasher, labelled, sha256};
use crate::export::jsonl::{Beside, Line, Of, Pieces};
use crate::export::{Exporter, Given};
use crate::vault::{Body, CanRead, Entry, Opened, Vault, VaultError, unhex};

/// Bytes of a conversation's files that are kept between hashing and showing them: opening each anew costs more the more
/// there are.
const KEPT: usize = 32 << 20;

/// What came of it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Written {
    /// Conversations.
    pub conversations: u64,
    /// Messages that went out.
    pub messages: u64,
    /// Messages of these conversations that did not.
    pub left_out: u64,
    /// The manifest, where it has no place in the output: of one original.
    pub manifest: Option<String>,
    /// Conversations of which the vault has no source bytes.
    pub without_original: Vec<[u8; 16]>,
}

/// A conversation with everything that is needed to write it.
pub(super) struct Whole {
    pub(super) conversation: Conversation,
    pub(super) originals: Vec<zeroize::Zeroizing<Vec<u8>>>,
    pub(super) seed: Digest,
    pub(super) files: Vec<StoredFile>,
}

/// An attachment: its segment, and its pieces there where its bytes are in the vault.
pub(super) struct StoredFile {
    segment: usize,
    pub(super) objects: Option<(u32, u32)>,
}

/// All files of a conversation, read once.
struct FilesRead {
    /// The SHA-256 of each whose bytes are in the vault.
    hashes: Vec<Option<Digest>>,
    /// The bytes of the first ones, as far as there was room for them.
    kept: HashMap<usize, Vec<u8>>,
}

impl Whole {
    pub(super) fn of(opened: Vec<Opened>) -> Self {
        let (mut months, mut originals, mut files) = (Vec::new(), Vec::new(), Vec::new());
        let seeds: Vec<Digest> = opened.iter().map(|one| one.disclosure).collect();
        for (segment, Opened { body: Body { conversation, originals: own }, .. }) in opened.into_iter().enumerate() {
            files.extend(conversation.attachments.iter().map(|file| StoredFile { segment, objects: file.objects }));
            months.push(conversation);
            originals.extend(own);
        }
        let seed = match &seeds[..] {
            [one] => *one,
            several => labelled("convault/export/months", &[several.as_flattened()]),
        };
        Self { conversation: Conversation::of_months(months), originals, seed, files }
    }

    pub(super) fn has_files(&self) -> bool {
        self.files.iter().any(|file| file.objects.is_some())
    }

    /// Gives `each` the bytes of the attachments that are wanted, by index, piece by piece, and nothing behind the last piece of each.
    pub(super) fn read_files<A: CanRead>(
        &self,
        vault: &Vault<A>,
        segments: &[Entry],
        wanted: impl Fn(usize) -> bool,
        mut each: impl FnMut(usize, Option<&[u8]>) -> io::Result<()>,
    ) -> Result<(), DisclosureError> {
        for (at, entry) in segments.iter().enumerate() {
            let of_segment = |(index, file): (usize, &StoredFile)| {
                (file.segment == at && wanted(index)).then_some((index, file.objects?))
            };
            let stored: Vec<(usize, (u32, u32))> = self.files.iter().enumerate().filter_map(of_segment).collect();
            let objects: Vec<(u32, u32)> = stored.iter().map(|(_, objects)| *objects).collect();
            if objects.is_empty() {
                continue;
            }
            let mut failed = None;
            let read = vault.attachments(entry, &objects, |number, bytes| {
                let index = stored.get(number).map_or(0, |(index, _)| *index);
                each(index, bytes).map_err(|error| stop(&mut failed, error))
            });
            come_of(read, failed)?;
        }
        Ok(())
    }

    pub(super) fn hashes<A: CanRead>(
        &self,
        vault: &Vault<A>,
        segments: &[Entry],
    ) -> Result<Vec<Option<Digest>>, DisclosureError> {
        Ok(self.read_all(vault, segments, 0)?.hashes)
    }

    /// The hashes of all attachments, and the bytes of the first ones, as far as there is room for them.
    fn read_all<A: CanRead>(
        &self,
        vault: &Vault<A>,
        segments: &[Entry],
        room: usize,
    ) -> Result<FilesRead, DisclosureError> {
        let mut hashes = vec![None; self.files.len()];
        let (mut hasher, mut kept, mut room) = (Hasher::new(), HashMap::new(), room);
        let mut open: Option<Vec<u8>> = Some(Vec::new());
        self.read_files(
            vault,
            segments,
            |_| true,
            |index, bytes| {
                match bytes {
                    Some(bytes) => {
                        hasher.update(bytes);
                        open = open.take().filter(|open| open.len() + bytes.len() <= room);
                        if let Some(open) = &mut open {
                            open.extend_from_slice(bytes);
                        }
                    }
                    None => {
                        hashes[index] = Some(std::mem::replace(&mut hasher, Hasher::new()).finish());
                        if let Some(bytes) = open.replace(Vec::new()).filter(|_| room > 0) {
                            room -= bytes.len();
                            kept.insert(index, bytes);
                        }
                    }
                }
                Ok(())
            },
        )?;
        Ok(FilesRead { hashes, kept })
    }
}

/// Keeps why the output cannot be written, and ends the reading.
fn stop(failed: &mut Option<io::Error>, error: io::Error) -> VaultError {
    *failed = Some(error);
    VaultError::Refused("the output cannot be written")
}

/// What came of reading into the output.
fn come_of(read: Result<(), VaultError>, failed: Option<io::Error>) -> Result<(), DisclosureError> {
    match failed {
        Some(error) => Err(DisclosureError::Output(error)),
        None => Ok(read?),
    }
}

/// What a worker made of a conversation.
enum Made {
    Rendered {
        bytes: Vec<u8>,
        content: Content,
    },
    /// It has files, which the thread that reads the store has to give.
    Waits(Box<Whole>),
}

/// An output whose bytes are counted and hashed.
pub(super) struct Hashing<'o> {
    out: &'o mut dyn Write,
    hasher: Hasher,
    bytes: u64,
}

impl<'o> Hashing<'o> {
    pub(super) fn new(out: &'o mut dyn Write) -> Self {
        Self { out, hasher: Hasher::new(), bytes: 0 }
    }

    pub(super) fn so_far(&self) -> Hashed {
        Hashed { bytes: self.bytes, sha256: self.hasher.clone().finish() }
    }
}

impl Write for Hashing<'_> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let count = self.out.write(bytes)?;
        self.hasher.update(&bytes[..count]);
        self.bytes += count as u64;
        Ok(count)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.out.flush()
    }
}

impl Recorded<'_> {
    /// Writes everything, and the manifest behind it.
    pub fn write<A: CanRead>(self, vault: &Vault<A>, out: &mut dyn Write) -> Result<Written, DisclosureError> {
        let Self { plan, now, .. } = self;
        match plan.form {
            Form::Jsonl => lines(&plan, vault, now, out),
            Form::Document(exporter, _) => document(&plan, exporter, vault, now, out),
            Form::Original(earlier) => originals(&plan, earlier, vault, now, out),
        }
    }
}

impl Plan<'_> {
    fn shows(&self, message: &Message, number: usize) -> bool {
        match (&self.part, self.form) {
            (Part::Messages(numbers), _) => numbers.binary_search(&number).is_ok(),
            (Part::All, _) | (_, Form::Jsonl) => true,
            (Part::Visible, _) => message.is_visible(),
        }
    }

    /// How many messages of each conversation would go out.
    pub fn messages<A: CanRead>(&self, vault: &Vault<A>) -> Result<Vec<u64>, DisclosureError> {
        let all = || self.listed.iter().map(|one| one.messages).collect();
        match (&self.part, self.form) {
            (Part::Messages(numbers), _) => Ok(vec![numbers.len() as u64]),
            (Part::All, _) | (_, Form::Jsonl | Form::Original(_)) => Ok(all()),
            (Part::Visible, Form::Document(..)) => {
                let mut counts = Vec::with_capacity(self.chosen.len());
                let visible = |_: usize, opened: Vec<Opened>| {
                    let messages = opened.iter().flat_map(|one| &one.body.conversation.messages);
                    messages.filter(|message| message.is_visible()).count() as u64
                };
                vault.each_group(&self.groups(), visible, |_, count| {
                    counts.push(count);
                    Ok::<(), DisclosureError>(())
                })?;
                Ok(counts)
            }
        }
    }

    pub(super) fn groups(&self) -> Vec<&[Entry]> {
        self.chosen.iter().map(|one| &one.segments[..]).collect()
    }

    /// Opens every conversation, and gives each with what was rendered of it, in order.
    fn each<A: CanRead>(
        &self,
        vault: &Vault<A>,
        render: impl Fn(usize, &Whole, &[Option<Digest>], &mut Vec<u8>) -> Content + Sync,
        write: impl FnMut(usize, Made) -> Result<(), DisclosureError>,
    ) -> Result<(), DisclosureError> {
        let work = |number: usize, opened: Vec<Opened>| {
            let whole = Whole::of(opened);
            if whole.has_files() {
                return Made::Waits(Box::new(whole));
            }
            let mut bytes = Vec::new();
            let content = render(number, &whole, &[], &mut bytes);
            Made::Rendered { bytes, content }
        };
        vault.each_group(&self.groups(), work, write)
    }
}

/// The line of a conversation, of which its leaves are parts.
pub(super) fn line_of(plan: &Plan<'_>, number: usize, whole: &Whole, hashes: &[Option<Digest>]) -> Line {
    // The cards have the digests, sealed beside the bytes.
    let known: Vec<Option<Digest>> =
        plan.chosen[number].segments.iter().flat_map(|one| &one.card.digests).map(|digits| unhex(digits)).collect();
    let digest = |at: usize, bytes: &[u8]| match known.get(at) {
        Some(Some(digest)) if known.len() == whole.originals.len() => *digest,
        _ => sha256(&[bytes]),
    };
    let originals: Vec<(usize, Digest)> =
        whole.originals.iter().enumerate().map(|(at, one)| (one.len(), digest(at, one))).collect();
    let source = &plan.listed[number].source;
    let beside = Beside { source, tags: &plan.chosen[number].tags, originals: &originals, attachments: hashes };
    Line::of(&whole.conversation, &beside)
}

/// The line of a proof.
pub(super) fn proof(leaves: usize, left_out: &[bool], nodes: &[Node]) -> String {
    let (left_out, nodes) = (ranges_json(&ranges(left_out)), nodes_json(nodes));
    // In this order, so that the schema stands first.
    format!("{{\"schema\":\"convault.proof/1\",\"leaves\":{leaves},\"left_out\":{left_out},\"nodes\":{nodes}}}\n")
}

/// What of a conversation's lines goes out.
struct Lined {
    line: Vec<u8>,
    proof: String,
    /// Of each leaf whether it is left out.
    left_out: Vec<bool>,
    content: Content,
}

fn lined(plan: &Plan<'_>, number: usize, whole: &Whole, hashes: &[Option<Digest>]) -> Lined {
    let line = line_of(plan, number, whole, hashes);
    let contents = line.contents();
    let messages = whole.conversation.messages.len();
    let mut left_out = vec![false; contents.len()];
    let mut bytes = line.into_bytes();
    if matches!(plan.part, Part::Messages(_)) {
        let shown: Vec<bool> =
            whole.conversation.messages.iter().enumerate().map(|(at, one)| plan.shows(one, at)).collect();
        let excerpt = Read::of(&bytes).and_then(|read| {
            let left_out = read.excerpt(&shown)?;
            Ok((read.without(&left_out), left_out))
        });
        (bytes, left_out) = excerpt.expect("a line that was just written has its counts and its messages");
    }
    let first = 2 + whole.conversation.participants.len();
    let gone = ranges(&left_out[first..first + messages]);
    let content = Content { root: root(&whole.seed, &contents), messages, left_out: gone };
    let nodes = prove(&whole.seed, &contents, &left_out);
    Lined { line: bytes, proof: proof(contents.len(), &left_out, &nodes), left_out, content }
}

impl Lined {
    fn is_left_out(&self, list: usize, index: usize, whole: &Whole) -> bool {
        let Conversation { participants, messages, attachments, .. } = &whole.conversation;
        let before: usize = [participants.len(), messages.len(), attachments.len()].iter().take(list).sum();
        self.left_out.get(2 + before + index).copied().unwrap_or(false)
    }

    /// The line, and the source's bytes behind it.
    fn begin(&self, whole: &Whole, out: &mut impl Write) -> io::Result<()> {
        out.write_all(&self.line)?;
        let mut pieces = Pieces::new(out, Of::Original);
        for (index, original) in whole.originals.iter().enumerate().filter(|(at, _)| !self.is_left_out(3, *at, whole)) {
            pieces.begin(index);
            pieces.write_all(original)?;
            pieces.end()?;
        }
        Ok(())
    }

    /// All of it: the line, the bytes behind it, the proof.
    fn whole<A: CanRead>(
        &self,
        whole: &Whole,
        vault: &Vault<A>,
        segments: &[Entry],
        out: &mut impl Write,
    ) -> Result<(), DisclosureError> {
        self.begin(whole, out).map_err(DisclosureError::Output)?;
        let mut pieces = Pieces::new(&mut *out, Of::Attachment);
        let mut open = None;
        let wanted = |index| !self.is_left_out(2, index, whole);
        whole.read_files(vault, segments, wanted, |index, bytes| {
            if open.replace(index) != Some(index) {
                pieces.begin(index);
            }
            match bytes {
                Some(bytes) => pieces.write_all(bytes),
                None => pieces.end(),
            }
        })?;
        out.write_all(self.proof.as_bytes()).map_err(DisclosureError::Output)
    }
}

fn lines<A: CanRead>(
    plan: &Plan<'_>,
    vault: &Vault<A>,
    now: Instant,
    out: &mut dyn Write,
) -> Result<Written, DisclosureError> {
    let mut contents = Vec::new();
    let render = |number: usize, whole: &Whole, hashes: &[Option<Digest>], bytes: &mut Vec<u8>| {
        let lined = lined(plan, number, whole, hashes);
        lined.begin(whole, bytes).expect("memory takes it");
        bytes.extend_from_slice(lined.proof.as_bytes());
        lined.content
    };
    plan.each(vault, render, |number, made| {
        let content = match made {
            Made::Rendered { bytes, content } => {
                out.write_all(&bytes).map_err(DisclosureError::Output)?;
                content
            }
            Made::Waits(whole) => lines_with_files(plan, number, &whole, vault, out)?,
        };
        contents.push(content);
        Ok(())
    })?;
    let claims = Claims { format: plan.form.word(), contents: &contents, bytes: Bytes::Leaves };
    let manifest = sign(vault, &claims, now) + "\n";
    out.write_all(manifest.as_bytes()).and_then(|()| out.flush()).map_err(DisclosureError::Output)?;
    Ok(summary(&contents))
}

fn lines_with_files<A: CanRead>(
    plan: &Plan<'_>,
    number: usize,
    whole: &Whole,
    vault: &Vault<A>,
    mut out: &mut dyn Write,
) -> Result<Content, DisclosureError> {
    let segments = &plan.chosen[number].segments;
    let lined = lined(plan, number, whole, &whole.hashes(vault, segments)?);
    lined.whole(whole, vault, segments, &mut out)?;
    Ok(lined.content)
}

/// The lines of one conversation without a proof: for the vault itself, which takes it in once more.
pub fn unsigned<A: CanRead>(
    vault: &Vault<A>,
    segments: &[Entry],
    tags: &[String],
    mut out: &mut dyn Write,
) -> Result<(), DisclosureError> {
    let plan = Plan::of(vec![Chosen { segments: segments.to_vec(), tags: tags.to_vec() }], Form::Jsonl, Part::All)?;
    vault.each_group(
        &plan.groups(),
        |_, opened| Whole::of(opened),
        |number, whole| {
            let line = line_of(&plan, number, &whole, &whole.hashes(vault, segments)?);
            let contents = line.contents();
            let left_out = vec![false; contents.len()];
            let content = Content { root: [0; 32], messages: 0, left_out: Vec::new() };
            let lined = Lined { line: line.into_bytes(), proof: String::new(), left_out, content };
            lined.whole(&whole, vault, segments, &mut out)
        },
    )
}

/// What came of conversations that are written.
pub(super) fn summary(contents: &[Content]) -> Written {
    let all: u64 = contents.iter().map(|one| one.messages as u64).sum();
    let left_out: u64 = contents.iter().flat_map(|one| &one.left_out).map(|(_, count)| *count as u64).sum();
    Written { conversations: contents.len() as u64, messages: all - left_out, left_out, ..Written::default() }
}

fn document<A: CanRead>(
    plan: &Plan<'_>,
    exporter: &dyn Exporter,
    vault: &Vault<A>,
    now: Instant,
    out: &mut dyn Write,
) -> Result<Written, DisclosureError> {
    let mut out = Hashing::new(out);
    exporter.begin(&plan.listed, &mut out).map_err(DisclosureError::Output)?;
    let mut contents = Vec::new();
    let render = |number: usize, whole: &Whole, hashes: &[Option<Digest>], bytes: &mut Vec<u8>| {
        let no_files = |_, _: &mut dyn FnMut(&[u8]) -> io::Result<()>| Ok(());
        told(plan, number, whole, hashes, exporter, &mut { no_files }, bytes).expect("memory takes it")
    };
    plan.each(vault, render, |number, made| {
        let content = match made {
            Made::Rendered { bytes, content } => {
                out.write_all(&bytes).map_err(DisclosureError::Output)?;
                content
            }
            Made::Waits(whole) => {
                let segments = &plan.chosen[number].segments;
                let FilesRead { hashes, kept } = whole.read_all(vault, segments, KEPT)?;
                let mut lost = None;
                let mut files = |index: u32, each: &mut dyn FnMut(&[u8]) -> io::Result<()>| {
                    let index = usize::try_from(index).unwrap_or(usize::MAX);
                    if let Some(bytes) = kept.get(&index) {
                        return each(bytes);
                    }
                    let read = whole.read_files(
                        vault,
                        segments,
                        |other| other == index,
                        |_, bytes| bytes.map_or(Ok(()), &mut *each),
                    );
                    read.map_err(|error| match error {
                        DisclosureError::Output(error) => error,
                        error => {
                            lost = Some(error);
                            io::Error::other("an attachment cannot be read")
                        }
                    })
                };
                let told = told(plan, number, &whole, &hashes, exporter, &mut files, &mut out);
                told.map_err(|error| lost.take().unwrap_or(DisclosureError::Output(error)))?
            }
        };
        contents.push(content);
        Ok(())
    })?;
    exporter.end(&mut out).map_err(DisclosureError::Output)?;
    let claims = Claims { format: plan.form.word(), contents: &contents, bytes: Bytes::File(out.so_far()) };
    let (before, behind) = exporter.frame();
    let manifest = sign(vault, &claims, now);
    write!(out, "{before}{manifest}{behind}").and_then(|()| out.flush()).map_err(DisclosureError::Output)?;
    Ok(summary(&contents))
}

/// A conversation as a document tells it.
fn told(
    plan: &Plan<'_>,
    number: usize,
    whole: &Whole,
    hashes: &[Option<Digest>],
    exporter: &dyn Exporter,
    files: &mut crate::export::Files<'_>,
    out: &mut dyn Write,
) -> io::Result<Content> {
    let messages = &whole.conversation.messages;
    let shown: Vec<bool> = messages.iter().enumerate().map(|(at, one)| plan.shows(one, at)).collect();
    let left_out: Vec<bool> = shown.iter().map(|is_shown| !is_shown).collect();
    let root = root(&whole.seed, &line_of(plan, number, whole, hashes).contents());
    let given = Given {
        place: number,
        listed: &plan.listed[number],
        conversation: &whole.conversation,
        // Those of an excerpt are left out, as in its lines.
        tags: if matches!(plan.part, Part::Messages(_)) { &[] } else { &plan.chosen[number].tags },
        shown: &shown,
    };
    exporter.conversation(&given, files, out)?;
    Ok(Content { root, messages: messages.len(), left_out: ranges(&left_out) })
}
