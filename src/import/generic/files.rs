//! How conversations stand in files: a line each, an element each, or the whole file one of them.

use std::io::{BufRead, BufReader, Read};
use std::ops::ControlFlow;

use serde::de::IgnoredAny;

use super::derived::Beginnings;
use crate::bundle::{Bundle, BundleError};
use crate::import::json::lines::{BadLine, lines};
use crate::import::json::outline::Outline;
use crate::import::json::split::MAX_ELEMENT;
use crate::import::{Context, Emit, Evidence, MemberUse, Problem, Sample, Unit, members};

/// Bytes of a member looked at to tell what it holds.
const HEAD: usize = 64 << 10;
/// Lines looked at to tell one conversation a line from one over many lines.
const FIRST_LINES: usize = 8;

/// What a file of a format holds, and the clause that says so.
#[derive(Clone, Copy)]
pub(in crate::import) enum Shape {
    /// Objects that are conversations.
    Conversations(&'static str),
    /// Messages of one conversation.
    Messages(&'static str),
}

/// Tells the shape of a file from its beginning; nothing for a file of another format.
pub(in crate::import) type Judge = fn(&Outline, &[u8]) -> Option<Shape>;

/// The first member of a shape that the format knows.
pub(in crate::import) fn evidence(sample: &Sample<'_>, judge: Judge) -> Option<Evidence> {
    sample.heads.iter().find_map(|head| {
        let (Shape::Conversations(shows) | Shape::Messages(shows)) = judge(head.outline.as_ref()?, &head.bytes)?;
        Some(Evidence { member: head.member, shows })
    })
}

/// How a file is cut.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Layout {
    Elements,
    Lines,
    Whole,
}

/// What the formats keep of a bundle.
struct Own {
    layouts: Vec<Layout>,
    beginnings: Beginnings,
}

/// The beginnings that several conversations of the bundle share.
pub(super) fn beginnings(context: &Context) -> Option<&Beginnings> {
    Some(&context.own.as_ref()?.downcast_ref::<Own>()?.beginnings)
}

/// Finds the members of a format, and which of their conversations begin alike.
pub(in crate::import) fn survey(bundle: &Bundle, judge: Judge) -> Result<Context, BundleError> {
    let mut context = Context::of(bundle);
    let mut layouts = vec![Layout::Elements; bundle.members().len()];
    let mut json = Vec::new();
    for (index, member) in bundle.members().iter().enumerate() {
        let head = match bundle.head(index, HEAD) {
            Ok(head) => head,
            Err(error) if error.is_refusal() => return Err(error),
            Err(error) => {
                context.problems.push(Problem { place: member.name.clone(), reason: error.to_string() });
                context.uses[index] = MemberUse::Ignored("could not be read");
                continue;
            }
        };
        let Some(outline) = Outline::of(&head) else { continue };
        layouts[index] = layout(&head);
        match judge(&outline, &head) {
            Some(Shape::Conversations(_)) => context.sources.push(index),
            Some(Shape::Messages(_)) => {
                layouts[index] = Layout::Whole;
                context.sources.push(index);
            }
            None => json.push(index),
        }
    }
    if context.sources.is_empty() {
        // The user said that it is of this format and nothing looks like it: read what may be, so that what
        // cannot be read is named instead of nothing being said.
        context.sources = if bundle.members().len() == 1 { vec![0] } else { json };
    }
    for &index in &context.sources {
        context.uses[index] = MemberUse::Conversations;
    }
    let mut own = Own { layouts, beginnings: Beginnings::default() };
    let is_one_whole = matches!(context.sources.as_slice(), [only] if own.layouts.get(*only) == Some(&Layout::Whole));
    if !is_one_whole {
        let mut beginnings = Beginnings::default();
        cut(bundle, &own.layouts, &context.sources, &mut |unit| {
            if let Ok(unit) = unit
                && let Some(beginning) = super::beginning_of(&unit)
            {
                beginnings.add(&beginning, &unit.bytes);
            }
            ControlFlow::Continue(())
        })?;
        own.beginnings = beginnings;
    }
    context.own = Some(Box::new(own));
    Ok(context)
}

/// Cuts all sources into units.
pub(in crate::import) fn split(bundle: &Bundle, context: &Context, emit: Emit<'_>) -> Result<(), BundleError> {
    for problem in &context.problems {
        if emit(Err(problem.clone())).is_break() {
            return Ok(());
        }
    }
    let own = context.own.as_ref().and_then(|own| own.downcast_ref::<Own>());
    cut(bundle, own.map_or(&[], |own| &own.layouts), &context.sources, emit)
}

fn cut(bundle: &Bundle, layouts: &[Layout], sources: &[usize], emit: Emit<'_>) -> Result<(), BundleError> {
    for &member in sources {
        let flow = match layouts.get(member) {
            None | Some(Layout::Elements) => members::each_element(bundle, member, emit)?,
            Some(Layout::Lines) => each_line(bundle, member, emit)?,
            Some(Layout::Whole) => {
                let place = members::name(bundle, member);
                emit(members::whole(bundle, member)?.map(|bytes| Unit { member, place, bytes, ..Unit::default() }))
            }
        };
        if flow.is_break() {
            break;
        }
    }
    Ok(())
}

/// Emits each line that is not blank as a unit.
fn each_line(bundle: &Bundle, member: usize, emit: Emit<'_>) -> Result<ControlFlow<()>, BundleError> {
    let name = members::name(bundle, member);
    let mut reader = match bundle.open(member) {
        Ok(reader) => BufReader::with_capacity(HEAD, reader),
        Err(error) if error.is_refusal() => return Err(error),
        Err(error) => return Ok(emit(Err(Problem { place: name, reason: error.to_string() }))),
    };
    let mut number = 0_u64;
    loop {
        number += 1;
        let place = format!("{name} line {number}");
        let mut bytes = Vec::new();
        let read = reader.by_ref().take(MAX_ELEMENT as u64 + 1).read_until(b'\n', &mut bytes);
        let result = match read.map_err(BundleError::from_read) {
            Err(error) if error.is_refusal() => return Err(error),
            Err(error) => return Ok(emit(Err(Problem { place, reason: error.to_string() }))),
            Ok(0) => return Ok(ControlFlow::Continue(())),
            Ok(_) if bytes.len() > MAX_ELEMENT => {
                drop(bytes);
                match pass_line(&mut reader).map_err(BundleError::from_read) {
                    Err(error) if error.is_refusal() => return Err(error),
                    // The next round meets the same failure and names it.
                    _ => Err(Problem { place, reason: format!("larger than {} MiB", MAX_ELEMENT >> 20) }),
                }
            }
            Ok(_) => {
                let Some(line) = lines(&bytes).next() else { continue };
                let (start, length, is_open) = (line.start, line.bytes.len(), line.is_open);
                if is_open && line.is_object() && stops_early(line.bytes) {
                    Err(Problem { place, reason: BadLine::Truncated.reason() })
                } else {
                    bytes.truncate(start + length);
                    bytes.drain(..start);
                    Ok(Unit { member, place, bytes, ..Unit::default() })
                }
            }
        };
        if emit(result).is_break() {
            return Ok(ControlFlow::Break(()));
        }
    }
}

fn stops_early(line: &[u8]) -> bool {
    serde_json::from_slice::<IgnoredAny>(line).is_err_and(|error| error.is_eof())
}

/// Reads to the end of the line in bounded memory.
fn pass_line(reader: &mut impl BufRead) -> std::io::Result<()> {
    loop {
        let buffer = reader.fill_buf()?;
        if buffer.is_empty() {
            return Ok(());
        }
        let (used, ended) = match memchr::memchr(b'\n', buffer) {
            Some(at) => (at + 1, true),
            None => (buffer.len(), false),
        };
        reader.consume(used);
        if ended {
            return Ok(());
        }
    }
}

/// Whether conversations stand one a line. Only lines can be read past a damaged one, so a damaged first
/// line does not decide alone.
fn layout(head: &[u8]) -> Layout {
    let text = head.strip_prefix(b"\xef\xbb\xbf").unwrap_or(head);
    if !text.trim_ascii_start().starts_with(b"{") {
        return Layout::Elements;
    }
    let is_cut = head.len() >= HEAD;
    for (index, line) in lines(head).take(FIRST_LINES).enumerate() {
        let is_last = line.is_open;
        if is_last && is_cut {
            // A line longer than all that was read is no pretty printing.
            return if index == 0 { Layout::Lines } else { Layout::Elements };
        }
        // Within a pretty printed object an object on a line of its own is indented or has a comma behind it.
        if (index == 0 || line.bytes.starts_with(b"{")) && is_one_object(line.bytes) {
            return Layout::Lines;
        }
        if index == 0 && line.bytes.trim_ascii() == b"{" {
            return Layout::Elements;
        }
    }
    Layout::Elements
}

/// Whether brackets open and close around all of this.
fn is_one_object(line: &[u8]) -> bool {
    let line = line.trim_ascii();
    let mut depth = 0_i64;
    let mut in_string = false;
    let mut skip = false;
    for (at, byte) in line.iter().enumerate() {
        match byte {
            _ if skip => skip = false,
            b'\\' if in_string => skip = true,
            b'"' => in_string = !in_string,
            b'{' | b'[' if !in_string => depth += 1,
            b'}' | b']' if !in_string => {
                depth -= 1;
                if depth == 0 {
                    return at + 1 == line.len();
                }
            }
            _ => {}
        }
    }
    false
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_are_told_from_pretty_printing() {
        for text in [
            "{\"messages\":[]}\n{\"messages\":[]}\n",
            "\u{feff}{\"messages\":[]}",
            "\n\n{\"a\":\"}{\\\"\"}\n",
            "{\"messages\":[{\"role\":\"us\n{\"messages\":[]}\n",
        ] {
            assert!(layout(text.as_bytes()) == Layout::Lines, "{text}");
        }
        for text in [
            "{\n  \"messages\": [\n    {\"role\": \"user\"}\n  ]\n}\n",
            "{\n{\"a\":1}\n",
            "{\"messages\": [\n{\"role\": \"user\"},\n{\"role\": \"user\"}]}",
            "{\"a\":1}{\"a\":2}",
            "[{\"a\":1}]",
            "",
        ] {
            assert!(layout(text.as_bytes()) == Layout::Elements, "{text}");
        }
        let long = format!("{{\"messages\":[\"{}\"]}}", "x".repeat(HEAD));
        assert!(layout(&long.as_bytes()[..HEAD]) == Layout::Lines);
    }
}
