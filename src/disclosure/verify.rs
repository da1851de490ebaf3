//! Checking an export: with nothing but the file, and of one original the manifest beside it.
//!
//! `docs/export.md` gives the rules. What is read is another's: every length is bounded, and nothing is believed before the
//! manifest's signature holds.

use std::io::{self, BufRead, BufReader, Read, Seek, SeekFrom};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde::Deserialize;
use serde_json::{Map, Value};

use super::line;
use super::statement::{Content, Hashed, Refusal, Statement, flags, nodes_of, ranges};
use super::tree::{Node, root_of};
use super::write::Hashing;
use crate::bundle::Bundle;
use crate::crypto::Digest;
use crate::crypto::hash::Hasher;
use crate::export::Exporter;

/// The longest line: a conversation of the largest body, with escapes.
const LONGEST_LINE: u64 = 2 << 30;

/// The longest manifest.
const LONGEST_MANIFEST: u64 = 256 << 20;

/// How every conversation's line begins, and how the lines behind it do.
const CONVERSATION: &[u8] = b"{\"schema\":\"convault.conversation/1\"";
pub(super) const PIECE: &[u8] = b"{\"schema\":\"convault.piece/1\"";
const PROOF: &[u8] = b"{\"schema\":\"convault.proof/1\"";

/// A conversation of an export that holds.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Seen {
    /// The title, where the form shows it to a program.
    pub title: Option<String>,
    /// How many messages it has, and which of them are not there.
    pub content: Content,
}

/// An export that holds.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Checked {
    /// Who signed what.
    pub statement: Statement,
    /// What is there.
    pub seen: Vec<Seen>,
}

/// Why an export was not found to hold.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum VerifyError {
    /// It does not hold.
    #[error(transparent)]
    Refused(#[from] Refusal),
    /// It cannot be read.
    #[error("cannot read it: {0}")]
    Io(#[from] io::Error),
}

/// Whether a file begins as our lines do.
pub fn is_lines(head: &[u8]) -> bool {
    head.starts_with(CONVERSATION)
}

/// Checks lines.
pub fn lines(input: impl Read) -> Result<Checked, VerifyError> {
    let mut read = Lines::new(input);
    let mut seen = Vec::new();
    loop {
        if !read.next()? {
            return Err(Refusal::NoManifest.into());
        }
        if !read.line.starts_with(CONVERSATION) {
            break;
        }
        seen.push(conversation(&mut read, seen.len() + 1)?);
    }
    if !read.line.starts_with(b"{\"left_out\"") {
        return Err(Refusal::Line(read.number, "neither a conversation nor a manifest").into());
    }
    let statement = Statement::read(&read.line)?;
    if read.next()? {
        return Err(Refusal::Line(read.number, "something behind the manifest").into());
    }
    check_format(&statement, "jsonl")?;
    holding(statement, seen)
}

/// Lines, each in bounded memory.
pub(super) struct Lines<R> {
    input: BufReader<R>,
    /// The last one that was read, with its line feed.
    pub(super) line: Vec<u8>,
    number: u64,
}

impl<R: Read> Lines<R> {
    pub(super) fn new(input: R) -> Self {
        Self { input: BufReader::with_capacity(1 << 20, input), line: Vec::new(), number: 0 }
    }

    /// Reads the next line with its line feed; false at the end.
    pub(super) fn next(&mut self) -> Result<bool, VerifyError> {
        self.line.clear();
        let count = (&mut self.input).take(LONGEST_LINE).read_until(b'\n', &mut self.line)?;
        self.number += 1;
        match self.line.last() {
            None => Ok(false),
            Some(b'\n') => Ok(true),
            Some(_) if count as u64 == LONGEST_LINE => Err(Refusal::Line(self.number, "longer than any line").into()),
            Some(_) => Err(Refusal::Line(self.number, "cut off").into()),
        }
    }

    fn refuse(&self, why: &'static str) -> VerifyError {
        Refusal::Line(self.number, why).into()
    }
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct PieceLine<'a> {
    #[serde(rename = "schema")]
    _schema: &'a str,
    pub(super) of: &'a str,
    pub(super) index: usize,
    piece: u64,
    data: &'a str,
}

/// Bytes that have to follow a line, in their order.
struct Following {
    /// Whether of an original, the index, and the hash.
    expected: Vec<(&'static str, usize, Digest)>,
    done: usize,
    open: Option<(u64, Hasher)>,
}

impl Following {
    fn take(&mut self, piece: &PieceLine<'_>) -> Result<(), &'static str> {
        if piece.piece == 0 {
            self.close()?;
            self.open = Some((0, Hasher::new()));
        }
        let (of, index, _) = self.expected.get(self.done).ok_or("a piece of nothing that should follow")?;
        let (next, hasher) = self.open.as_mut().ok_or("a piece out of its order")?;
        if (piece.of, piece.index, piece.piece) != (of, *index, *next) {
            return Err("a piece out of its order");
        }
        hasher.update(&STANDARD.decode(piece.data).map_err(|_| "a piece that is not Base64")?);
        *next += 1;
        Ok(())
    }

    /// Ends the bytes that are being read.
    fn close(&mut self) -> Result<(), &'static str> {
        let Some((_, hasher)) = self.open.take() else { return Ok(()) };
        match self.expected.get(self.done) {
            Some((.., digest)) if hasher.finish() == *digest => {
                self.done += 1;
                Ok(())
            }
            _ => Err("before it, bytes that have not the hash that is signed"),
        }
    }

    fn end(&mut self) -> Result<(), &'static str> {
        self.close()?;
        if self.done == self.expected.len() { Ok(()) } else { Err("before it, bytes that should follow are missing") }
    }
}

/// What a proof of so many leaves says: which are left out, and the nodes.
pub(super) fn proof(line: &[u8], leaves: usize) -> Option<(Vec<bool>, Vec<Node>)> {
    let proof: Map<String, Value> = serde_json::from_slice(line).ok()?;
    let fits = proof.len() == 4 && proof.get("leaves")?.as_u64()? == leaves as u64;
    fits.then_some(())?;
    Some((flags(proof.get("left_out")?, leaves)?, nodes_of(proof.get("nodes")?)?))
}

fn conversation<R: Read>(read: &mut Lines<R>, number: usize) -> Result<Seen, VerifyError> {
    let first = std::mem::take(&mut read.line);
    let said = line::Read::of(&first).map_err(|why| read.refuse(why))?;
    let [originals, attachments] = said.followed().map_err(|why| read.refuse(why))?;
    let expected = [("original", originals), ("attachment", attachments)];
    let expected = expected.into_iter().flat_map(|(of, all)| {
        all.into_iter().enumerate().filter_map(move |(index, digest)| Some((of, index, digest?)))
    });
    let mut following = Following { expected: expected.collect(), done: 0, open: None };
    loop {
        if !read.next()? {
            return Err(read.refuse("it ends before the proof of a conversation"));
        }
        if !read.line.starts_with(PIECE) {
            break;
        }
        let piece: PieceLine<'_> =
            serde_json::from_slice(&read.line).map_err(|_| read.refuse("a piece that is none"))?;
        following.take(&piece).map_err(|why| read.refuse(why))?;
    }
    following.end().map_err(|why| read.refuse(why))?;
    if !read.line.starts_with(PROOF) {
        return Err(read.refuse("not the proof of the conversation before it"));
    }
    let leaves = said.leaves(false).len();
    let (left_out, nodes) =
        proof(&read.line, leaves).ok_or_else(|| read.refuse("a proof that is none, or of another conversation"))?;
    let contents = said.leaves(left_out.get(1) == Some(&true));
    let agree = contents.iter().map(Option::is_none).eq(left_out.iter().copied());
    let hidden_tags_shown = left_out.get(1) == Some(&true) && said.has_tags();
    if !agree || hidden_tags_shown {
        return Err(read.refuse("a proof that leaves out something else than its conversation"));
    }
    let root = root_of(&contents, &nodes).map_err(|_| Refusal::Conversation(number))?;
    let shown = said.shown();
    let gone: Vec<bool> = shown.iter().map(|is_shown| !is_shown).collect();
    Ok(Seen { title: said.title(), content: Content { root, messages: shown.len(), left_out: ranges(&gone) } })
}

/// Checks a document: a page or a Markdown file, which ends with its manifest in the frame of its exporter.
pub fn document(input: &mut (impl Read + Seek), exporter: &dyn Exporter, format: &str) -> Result<Checked, VerifyError> {
    let (before, behind) = exporter.frame();
    let size = input.seek(SeekFrom::End(0))?;
    let mut window = 64 << 10;
    let tail = loop {
        let length = size.min(window);
        input.seek(SeekFrom::Start(size - length))?;
        let mut tail = Vec::new();
        input.by_ref().take(length).read_to_end(&mut tail)?;
        match memchr::memmem::rfind(&tail, before.as_bytes()) {
            Some(at) => break tail.split_off(at),
            None if length == size || window > LONGEST_MANIFEST => return Err(Refusal::NoManifest.into()),
            None => window = (window * 8).min(LONGEST_MANIFEST + 1),
        }
    };
    let manifest = tail.strip_prefix(before.as_bytes()).and_then(|rest| rest.strip_suffix(behind.as_bytes()));
    let statement = Statement::read(manifest.ok_or(Refusal::Form)?)?;
    input.seek(SeekFrom::Start(0))?;
    file(&statement, &mut input.by_ref().take(size - tail.len() as u64))?;
    with_contents(statement, format)
}

/// Checks one original beside its manifest.
pub fn original(input: &mut impl Read, manifest: &[u8]) -> Result<Checked, VerifyError> {
    let statement = Statement::read(manifest)?;
    file(&statement, input)?;
    with_contents(statement, "original")
}

/// Checks a zip of originals.
pub fn originals(bundle: &Bundle) -> Result<Checked, VerifyError> {
    let io = |error: crate::bundle::BundleError| VerifyError::Io(io::Error::other(error));
    let names: Vec<&str> = bundle.members().iter().map(|member| member.name.as_str()).collect();
    let manifest = names.iter().position(|name| *name == "manifest.json").ok_or(Refusal::NoManifest)?;
    let mut bytes = Vec::new();
    bundle.open(manifest).map_err(io)?.take(LONGEST_MANIFEST).read_to_end(&mut bytes)?;
    let statement = Statement::read(&bytes)?;
    let members = statement.members.as_ref().ok_or(Refusal::Form)?;
    let signed = members.iter().map(|(name, _)| name.as_str()).chain(["manifest.json"]);
    if !bundle.is_zip_of(signed).map_err(io)? {
        return Err(Refusal::File("it has not exactly the members that were signed, in their order".to_owned()).into());
    }
    for (name, signed) in members {
        let index = names.iter().position(|other| other == name);
        let index = index.ok_or_else(|| Refusal::File(format!("{name} is missing")))?;
        if hashed(&mut bundle.open(index).map_err(io)?)? != *signed {
            return Err(Refusal::File(format!("{name} was changed")).into());
        }
    }
    with_contents(statement, "original")
}

fn hashed(input: &mut impl Read) -> Result<Hashed, io::Error> {
    let mut nowhere = io::sink();
    let mut hashing = Hashing::new(&mut nowhere);
    io::copy(&mut BufReader::with_capacity(1 << 16, input), &mut hashing)?;
    Ok(hashing.so_far())
}

fn file(statement: &Statement, input: &mut impl Read) -> Result<(), VerifyError> {
    match &statement.file {
        Some(signed) if hashed(input)? == *signed => Ok(()),
        Some(_) => Err(Refusal::File("its bytes have another hash".to_owned()).into()),
        None => Err(Refusal::File("the manifest is that of another format".to_owned()).into()),
    }
}

fn with_contents(statement: Statement, format: &str) -> Result<Checked, VerifyError> {
    check_format(&statement, format)?;
    let contents = statement.contents.clone().ok_or(Refusal::Form)?;
    let seen = contents.into_iter().map(|content| Seen { title: None, content }).collect();
    holding(statement, seen)
}

fn check_format(statement: &Statement, format: &str) -> Result<(), Refusal> {
    match statement.format == format {
        true => Ok(()),
        false => Err(Refusal::File("the manifest is that of another format".to_owned())),
    }
}

/// What was seen, when it is what was signed.
fn holding(statement: Statement, seen: Vec<Seen>) -> Result<Checked, VerifyError> {
    let roots: Vec<Digest> = seen.iter().map(|one| one.content.root).collect();
    statement.check_roots(&roots)?;
    Ok(Checked { statement, seen })
}
