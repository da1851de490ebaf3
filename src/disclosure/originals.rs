//! Originals written out: the source's own bytes of one conversation and nothing else, or a zip of several.

use std::io::{self, Write};

use super::statement::{Bytes, Claims, Content, sign};
use super::tree::root;
use super::write::{Hashing, Whole, Written, line_of, summary};
use super::{DisclosureError, Plan};
use crate::bundle::Packer;
use crate::clock::Instant;
use crate::vault::{CanRead, Entry, Vault, hex};

/// Writes them; the manifest stands in the zip, or comes back for its place beside the one.
pub(super) fn originals<A: CanRead>(
    plan: &Plan<'_>,
    earlier: usize,
    vault: &Vault<A>,
    now: Instant,
    out: &mut dyn Write,
) -> Result<Written, DisclosureError> {
    match plan.chosen.len() {
        1 => alone(plan, earlier, vault, now, out),
        _ => packed(plan, earlier, vault, now, out),
    }
}

fn alone<A: CanRead>(
    plan: &Plan<'_>,
    earlier: usize,
    vault: &Vault<A>,
    now: Instant,
    out: &mut dyn Write,
) -> Result<Written, DisclosureError> {
    let mut out = Hashing::new(out);
    let mut contents = Vec::new();
    vault.each_group(
        &plan.groups(),
        |_, opened| Whole::of(opened),
        |number, whole| {
            contents.push(original(plan, number, &whole, earlier, vault, &mut out)?);
            Ok::<(), DisclosureError>(())
        },
    )?;
    out.flush().map_err(DisclosureError::Output)?;
    let claims = Claims { format: plan.form.word(), contents: &contents, bytes: Bytes::File(out.so_far()) };
    Ok(Written { manifest: Some(sign(vault, &claims, now)), ..summary(&contents) })
}

fn packed<A: CanRead>(
    plan: &Plan<'_>,
    earlier: usize,
    vault: &Vault<A>,
    now: Instant,
    out: &mut dyn Write,
) -> Result<Written, DisclosureError> {
    let unpacked = |error| DisclosureError::Output(io::Error::other(error));
    let mut packer = Packer::new(&mut *out);
    let (mut contents, mut members, mut without_original) = (Vec::new(), Vec::new(), Vec::new());
    vault.each_group(
        &plan.groups(),
        |_, opened| Whole::of(opened),
        |number, whole| {
            let entry = &plan.chosen[number].segments[0];
            if entry.is_month() || whole.originals.get(earlier).is_none() && !whole.has_files() {
                without_original.push(entry.conversation);
                return Ok(());
            }
            let name = member_name(number, &whole, entry);
            packer.begin(&name).map_err(unpacked)?;
            let mut member = Hashing::new(&mut packer);
            contents.push(original(plan, number, &whole, earlier, vault, &mut member)?);
            members.push((name, member.so_far()));
            Ok::<(), DisclosureError>(())
        },
    )?;
    let claims = Claims { format: plan.form.word(), contents: &contents, bytes: Bytes::Members(members) };
    let ended = packer.begin("manifest.json").and_then(|()| {
        packer.write_all(sign(vault, &claims, now).as_bytes())?;
        packer.finish()
    });
    ended.map_err(unpacked)?;
    out.flush().map_err(DisclosureError::Output)?;
    Ok(Written { without_original, ..summary(&contents) })
}

/// A name that is harmless whatever the conversation is called: its place and the beginning of its id.
fn member_name(number: usize, whole: &Whole, entry: &Entry) -> String {
    let ending = match whole.originals.first().map(|bytes| bytes.as_slice()) {
        Some(bytes) if bytes.starts_with(b"PK\x03\x04") => "zip",
        Some(bytes) if serde_json::from_slice::<serde::de::IgnoredAny>(bytes).is_ok() => "json",
        Some(bytes) if bytes.starts_with(b"{") => "jsonl",
        Some(_) => "txt",
        None => "bin",
    };
    format!("{:04}-{}.{ending}", number + 1, &hex(&entry.conversation)[..8])
}

/// The source's bytes of one conversation.
fn original<A: CanRead>(
    plan: &Plan<'_>,
    number: usize,
    whole: &Whole,
    earlier: usize,
    vault: &Vault<A>,
    out: &mut impl Write,
) -> Result<Content, DisclosureError> {
    let segments = &plan.chosen[number].segments;
    match whole.originals.get(earlier) {
        Some(original) => out.write_all(original).map_err(DisclosureError::Output)?,
        None if !whole.originals.is_empty() => {
            return Err(DisclosureError::NoState { asked: earlier, kept: whole.originals.len() });
        }
        // A whole file is its attachment.
        None if whole.files.first().is_some_and(|file| file.objects.is_some()) => {
            whole.read_files(
                vault,
                segments,
                |index| index == 0,
                |_, bytes| bytes.map_or(Ok(()), |bytes| out.write_all(bytes)),
            )?;
        }
        None => return Err(DisclosureError::NoOriginal),
    }
    let hashes = whole.hashes(vault, segments)?;
    let contents = line_of(plan, number, whole, &hashes).contents();
    Ok(Content {
        root: root(&whole.seed, &contents),
        messages: whole.conversation.messages.len(),
        left_out: Vec::new(),
    })
}
