//! Files in a page: pictures as pictures, everything else as a link that saves it, what is too large by name.

use std::io;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

use super::escape::line;
use crate::conversation::{Attachment, Conversation};
use crate::export::Files;
use crate::export::words::{file_name, size};
use crate::inert::inert_line;

/// A larger file is named and not held: a page is opened whole.
pub const LARGEST_FILE: usize = 16 << 20;

/// Bytes that are written as Base64 at a time; a multiple of three.
const STEP: usize = 48 << 10;

/// Names that Windows takes for devices.
const DEVICES: &[&str] = &["aux", "con", "nul", "prn"];

/// The files of one conversation, each held once.
pub(super) struct Shown<'f, 'g> {
    files: &'f mut Files<'g>,
    /// The conversation's number on the page.
    number: usize,
    held: Vec<bool>,
}

impl<'f, 'g> Shown<'f, 'g> {
    pub(super) fn new(conversation: &Conversation, number: usize, files: &'f mut Files<'g>) -> Self {
        Self { files, number, held: vec![false; conversation.attachments.len()] }
    }

    /// Writes one; `caption` is HTML already.
    pub(super) fn write(
        &mut self,
        conversation: &Conversation,
        index: Option<u32>,
        caption: &str,
        out: &mut String,
    ) -> io::Result<()> {
        let place = index.unwrap_or(u32::MAX);
        let Some(attachment) = conversation.attachments.get(place as usize) else {
            out.push_str(&named("without a name", &[], "not in the vault", caption));
            return Ok(());
        };
        let name = file_name(attachment);
        let about = [attachment.media_type.clone(), attachment.size.map(size)];
        let about: Vec<String> = about.into_iter().flatten().collect();
        if attachment.objects.is_none() {
            out.push_str(&named(name, &about, "not in the vault", caption));
            return Ok(());
        }
        let id = format!("c{}f{}", self.number, place + 1);
        if std::mem::replace(&mut self.held[place as usize], true) {
            out.push_str(&format!("<p class=\"file\"><a href=\"#{id}\">{}</a></p>\n{caption}", line(name)));
            return Ok(());
        }
        let Some(bytes) = self.bytes(attachment, place)? else {
            out.push_str(&named(name, &about, "larger than 16 MiB, so not in this page", caption));
            return Ok(());
        };
        let label = line(&[&[name.to_owned()][..], &about].concat().join(" · "));
        match picture(&bytes) {
            Some(media_type) => {
                out.push_str(&format!(
                    "<figure class=\"picture\" id=\"{id}\"><img alt=\"{}\" loading=\"lazy\" ",
                    line(name)
                ));
                out.push_str(&format!("src=\"data:image/{media_type};base64,"));
                encode(&bytes, out);
                out.push_str(&format!("\"><figcaption dir=\"auto\">{label}</figcaption></figure>\n{caption}"));
            }
            None => {
                let saved = line(&harmless(name));
                out.push_str(&format!("<p class=\"file\" id=\"{id}\" dir=\"auto\"><a download=\"{saved}\" "));
                out.push_str("href=\"data:application/octet-stream;base64,");
                encode(&bytes, out);
                out.push_str(&format!("\">Save {label}</a></p>\n{caption}"));
            }
        }
        Ok(())
    }

    /// The bytes; none when there are too many.
    fn bytes(&mut self, attachment: &Attachment, index: u32) -> io::Result<Option<Vec<u8>>> {
        if attachment.size.is_some_and(|size| size > LARGEST_FILE as u64) {
            return Ok(None);
        }
        let (mut bytes, mut too_large) = (Vec::new(), false);
        let read = (self.files)(index, &mut |piece| {
            if bytes.len() + piece.len() > LARGEST_FILE {
                too_large = true;
                // The rest need not be read.
                return Err(io::Error::other("a file is larger than it was said to be"));
            }
            bytes.extend_from_slice(piece);
            Ok(())
        });
        if too_large {
            return Ok(None);
        }
        read.map(|()| Some(bytes))
    }
}

fn named(name: &str, about: &[String], why: &str, caption: &str) -> String {
    let words = [&[name.to_owned()][..], about, &[why.to_owned()]].concat().join(" · ");
    format!("<p class=\"file missing\" dir=\"auto\">{}</p>\n{caption}", line(&words))
}

fn encode(bytes: &[u8], out: &mut String) {
    for step in bytes.chunks(STEP) {
        STANDARD.encode_string(step, out);
    }
}

/// The kind of picture that the first bytes tell. What a source says of its type is not asked: an SVG runs scripts.
pub(super) fn picture(bytes: &[u8]) -> Option<&'static str> {
    match bytes {
        [0x89, b'P', b'N', b'G', b'\r', b'\n', 0x1a, b'\n', ..] => Some("png"),
        [0xff, 0xd8, 0xff, ..] => Some("jpeg"),
        [b'G', b'I', b'F', b'8', b'7' | b'9', b'a', ..] => Some("gif"),
        [b'R', b'I', b'F', b'F', _, _, _, _, b'W', b'E', b'B', b'P', ..] => Some("webp"),
        _ => None,
    }
}

/// A name under which a file can be saved anywhere: one step of a path, not hidden, of no device.
pub(super) fn harmless(name: &str) -> String {
    let name = inert_line(name);
    let last = name.rsplit(['/', '\\']).find(|step| !step.trim_matches(['.', ' ']).is_empty()).unwrap_or_default();
    let name: String = last.chars().map(|c| if ":*?\"<>|%".contains(c) { '_' } else { c }).take(120).collect();
    let name = name.trim_matches([' ', '.']).to_owned();
    let stem = name.split('.').next().unwrap_or_default().trim_end().to_ascii_lowercase();
    let is_port = stem.len() == 4 && (stem.starts_with("com") || stem.starts_with("lpt"));
    match name.as_str() {
        "" => "file".to_owned(),
        _ if is_port || DEVICES.contains(&stem.as_str()) => format!("_{name}"),
        _ => name,
    }
}
