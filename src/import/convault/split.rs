//! Cuts convault's own JSONL into conversations, each with the pieces of its originals; attachments stay where they are.

use std::io::{BufRead, BufReader, Read};
use std::ops::ControlFlow;

use super::line::TagsOf;
use super::pieces::belongs_to;
use crate::bundle::{Bundle, BundleError, MemberReader};
use crate::import::json::outline::Outline;
use crate::import::json::tolerant::{Recorder, from_slice};
use crate::import::{Context, Emit, MemberUse, Problem, Unit, detect, members};

/// Largest line, and largest conversation with its originals in Base64.
const MAX_UNIT: usize = 384 << 20;
/// Bytes kept of a line that is longer, to tell what it is.
const KEPT: usize = 4 << 10;
/// Most tags taken from one input.
const MAX_TAGS: usize = 10_000;

/// Finds the members that are ours, and all tags their lines tell of.
pub(super) fn survey(bundle: &Bundle) -> Result<Context, BundleError> {
    let mut context = Context::of(bundle);
    let is_single = bundle.members().len() == 1;
    for index in 0..bundle.members().len() {
        let head = match bundle.head(index, detect::HEAD) {
            Ok(head) => head,
            Err(error) if error.is_refusal() => return Err(error),
            Err(error) => {
                context.problems.push(Problem { place: members::name(bundle, index), reason: error.to_string() });
                context.uses[index] = MemberUse::Ignored("could not be read");
                continue;
            }
        };
        let is_ours = super::is_ours(Outline::of(&head).as_ref(), &head);
        // The user may have said that it is.
        if is_ours || is_single {
            context.uses[index] = MemberUse::Conversations;
            context.sources.push(index);
            tags(bundle, index, &mut context)?;
        }
    }
    Ok(context)
}

fn tags(bundle: &Bundle, member: usize, context: &mut Context) -> Result<(), BundleError> {
    let Some(reader) = detect::readable(bundle.open(member))? else { return Ok(()) };
    let mut lines = Lines::new(reader);
    // What cannot be read is a problem of the split, which comes to the same place.
    while let Ok(Some(line)) = lines.next() {
        if !line.is_too_long && memchr::memmem::find(&lines.line, b"\"tags\"").is_some() {
            let found = from_slice::<TagsOf<'_>>(&lines.line, &Recorder::default()).unwrap_or_default();
            context.tags.extend(found.tags.0.iter().filter_map(|tag| tag.owned()).take(MAX_TAGS));
        }
        if context.tags.len() >= MAX_TAGS {
            break;
        }
    }
    Ok(())
}

pub(super) fn split(bundle: &Bundle, context: &Context, emit: Emit<'_>) -> Result<(), BundleError> {
    for problem in &context.problems {
        if emit(Err(problem.clone())).is_break() {
            return Ok(());
        }
    }
    for &member in &context.sources {
        if split_member(bundle, member, emit)?.is_break() {
            break;
        }
    }
    Ok(())
}

fn split_member(bundle: &Bundle, member: usize, emit: Emit<'_>) -> Result<ControlFlow<()>, BundleError> {
    let name = members::name(bundle, member);
    let problem = |line: u64, reason: &str| Problem { place: format!("{name} line {line}"), reason: reason.to_owned() };
    let reader = match bundle.open(member) {
        Ok(reader) => reader,
        Err(error) if error.is_refusal() => return Err(error),
        Err(error) => return Ok(emit(Err(Problem { place: name, reason: error.to_string() }))),
    };
    let mut lines = Lines::new(reader);
    let mut open: Option<Unit> = None;
    // The conversation that pieces belong to could not be read.
    let mut is_lost = false;
    loop {
        let line = match lines.next() {
            Ok(Some(line)) => line,
            Ok(None) => break,
            Err(error) if error.is_refusal() => return Err(error),
            Err(error) => {
                if let Some(unit) = open.take()
                    && emit(Ok(unit)).is_break()
                {
                    return Ok(ControlFlow::Break(()));
                }
                return Ok(emit(Err(problem(lines.number + 1, &error.to_string()))));
            }
        };
        let result = match (belongs_to(&lines.line), &mut open) {
            (belongs, _) if line.is_too_long => {
                let too_long = Err(problem(lines.number, &format!("larger than {} MiB", MAX_UNIT >> 20)));
                if belongs.is_none() {
                    // Pieces behind it are its own, and not of the conversation before it.
                    is_lost = true;
                    if let Some(before) = open.take()
                        && emit(Ok(before)).is_break()
                    {
                        return Ok(ControlFlow::Break(()));
                    }
                }
                too_long
            }
            (Some(_), None) if is_lost => continue,
            (Some(_), None) => Err(problem(lines.number, "a piece without a conversation before it")),
            (Some((true, index)), Some(unit)) => {
                match unit.pieces.last_mut().filter(|(of, range)| *of == index && range.end == line.start) {
                    Some((_, range)) => range.end = line.end,
                    None => unit.pieces.push((index, line.start..line.end)),
                }
                continue;
            }
            (Some((false, _)), Some(unit)) if unit.bytes.len() + lines.line.len() > MAX_UNIT => {
                Err(problem(lines.number, &format!("its source's bytes are larger than {} MiB", MAX_UNIT >> 20)))
            }
            (Some((false, _)), Some(unit)) => {
                unit.bytes.extend_from_slice(&lines.line);
                continue;
            }
            (None, unit) if lines.line.trim_ascii().is_empty() => {
                let last = unit.as_mut().and_then(|unit| unit.pieces.last_mut());
                if let Some((_, range)) = last.filter(|(_, range)| range.end == line.start) {
                    range.end = line.end;
                }
                continue;
            }
            // What an export is checked by; nothing of a conversation.
            (None, _) if is_proof(&lines.line) => continue,
            // It costs itself, and not what stands behind it.
            (None, _) if memchr::memmem::find(&lines.line, super::SCHEMA.as_bytes()).is_none() => {
                Err(problem(lines.number, &stranger(&lines.line)))
            }
            (None, _) => {
                is_lost = false;
                let place = format!("{name} line {}", lines.number);
                let unit = Unit { member, place, bytes: std::mem::take(&mut lines.line), ..Unit::default() };
                match open.replace(unit) {
                    Some(before) => Ok(before),
                    None => continue,
                }
            }
        };
        if emit(result).is_break() {
            return Ok(ControlFlow::Break(()));
        }
    }
    Ok(open.map_or(ControlFlow::Continue(()), |unit| emit(Ok(unit))))
}

/// Whether a line is a proof or a manifest, as exports write them (`docs/export.md`).
fn is_proof(line: &[u8]) -> bool {
    const ENDS: [&[u8]; 2] = [b"{\"schema\":\"convault.proof/1\",", b"{\"left_out\":"];
    let manifest = || memchr::memmem::find(line, b"\"schema\":\"convault.manifest/1\"").is_some();
    line.starts_with(ENDS[0]) || line.starts_with(ENDS[1]) && manifest()
}

/// Why a line that names no schema of ours is left out.
fn stranger(line: &[u8]) -> String {
    let line = line.trim_ascii_end();
    match serde_json::from_slice::<serde::de::IgnoredAny>(line) {
        Ok(_) => "not of the schema `convault.conversation/1`".to_owned(),
        Err(error) => format!("not valid JSON at column {}", error.column()),
    }
}

/// Where a line stands.
struct Place {
    start: u64,
    end: u64,
    is_too_long: bool,
}

/// Lines of a stream, each in bounded memory.
struct Lines {
    reader: BufReader<MemberReader>,
    line: Vec<u8>,
    at: u64,
    number: u64,
}

impl Lines {
    fn new(reader: MemberReader) -> Self {
        Self { reader: BufReader::with_capacity(1 << 20, reader), line: Vec::new(), at: 0, number: 0 }
    }

    /// Reads the next line, with its line feed, into `line`. Of one that is too long only the beginning.
    fn next(&mut self) -> Result<Option<Place>, BundleError> {
        self.line.clear();
        let start = self.at;
        let limit = MAX_UNIT as u64 + 1;
        let mut count = (&mut self.reader).take(limit).read_until(b'\n', &mut self.line).map_err(BundleError::from_read)? as u64;
        if count == 0 {
            return Ok(None);
        }
        let is_too_long = count == limit && self.line.last() != Some(&b'\n');
        if is_too_long {
            self.line = self.line.get(..KEPT).unwrap_or_default().to_vec();
            count += skip_line(&mut self.reader).map_err(BundleError::from_read)?;
        }
        self.at += count;
        self.number += 1;
        Ok(Some(Place { start, end: self.at, is_too_long }))
    }
}

fn skip_line(reader: &mut impl BufRead) -> std::io::Result<u64> {
    let mut skipped = 0;
    loop {
        let buffer = reader.fill_buf()?;
        let feed = memchr::memchr(b'\n', buffer);
        let count = feed.map_or(buffer.len(), |feed| feed + 1);
        let is_end = buffer.is_empty() || feed.is_some();
        reader.consume(count);
        skipped += count as u64;
        if is_end {
            return Ok(skipped);
        }
    }
}
