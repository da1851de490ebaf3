//! Bytes that stand behind a conversation as lines of Base64: read whole for originals, as a stream for files.

use std::io::{self, BufRead, BufReader, Read};
use std::ops::Range;

use super::line::PieceLine;
use crate::bundle::{Bundle, BundleError, MemberReader};
use crate::import::base64::decode;
use crate::import::json::lines::Line;
use crate::import::json::tolerant::{Recorder, from_slice};

/// Longest line of a piece: 768 KiB in Base64, with room for whoever cuts otherwise.
const MAX_LINE: u64 = 16 << 20;

/// A piece: what it is of, and its bytes.
pub(super) struct Piece {
    pub(super) of: String,
    pub(super) index: u64,
    pub(super) number: u64,
    pub(super) bytes: Vec<u8>,
}

/// Reads a line as a piece; nothing when it is none, or damaged.
pub(super) fn piece(line: &[u8]) -> Option<Piece> {
    let line = from_slice::<PieceLine<'_>>(line, &Recorder::default()).ok()?;
    if line.schema.get() != Some("convault.piece/1") {
        return None;
    }
    Some(Piece {
        of: line.of.owned()?,
        index: super::number(line.index)?,
        number: super::number(line.piece)?,
        bytes: decode(line.data.0.as_deref()?)?,
    })
}

/// What stands in a line of a piece before its data: enough to know where it belongs.
pub(super) fn belongs_to(line: &[u8]) -> Option<(bool, usize)> {
    let head = line.get(..line.len().min(160))?;
    let after = |key: &[u8]| head.get(memchr::memmem::find(head, key)? + key.len()..);
    after(b"\"schema\":\"convault.piece/1\"")?;
    let is_attachment = after(b"\"of\":").is_some_and(|rest| rest.starts_with(b"\"attachment\""));
    let digits = after(b"\"index\":")?;
    let digits = digits.get(..digits.iter().take_while(|digit| digit.is_ascii_digit()).count())?;
    Some((is_attachment, std::str::from_utf8(digits).ok()?.parse().ok()?))
}

/// Puts originals together. All of them, each of the size it should have, or the reason why not.
pub(super) fn originals<'a>(lines: impl Iterator<Item = Line<'a>>, sizes: &[u64]) -> Result<Vec<Vec<u8>>, String> {
    let mut originals: Vec<(Vec<u8>, u64)> = sizes.iter().map(|_| (Vec::new(), 0)).collect();
    for line in lines {
        let Some(piece) = piece(line.bytes).filter(|piece| piece.of == "original") else {
            return Err("a piece of the source's bytes is damaged".to_owned());
        };
        let place = usize::try_from(piece.index).ok().and_then(|index| originals.get_mut(index));
        let Some((bytes, next)) = place.filter(|(_, next)| *next == piece.number) else {
            return Err("a piece of the source's bytes is missing or out of order".to_owned());
        };
        bytes.extend_from_slice(&piece.bytes);
        *next += 1;
    }
    if originals.iter().zip(sizes).any(|((bytes, pieces), size)| bytes.len() as u64 != *size || *pieces == 0) {
        return Err("a piece of the source's bytes is missing".to_owned());
    }
    Ok(originals.into_iter().map(|(bytes, _)| bytes).collect())
}

/// The bytes of an attachment, out of its lines.
pub struct Pieces {
    lines: io::Take<BufReader<MemberReader>>,
    line: Vec<u8>,
    bytes: Vec<u8>,
    at: usize,
    next: u64,
}

impl Pieces {
    /// Opens the lines that stand at `range` of a member.
    pub fn open(bundle: &Bundle, member: usize, range: Range<u64>) -> Result<Self, BundleError> {
        let lines = BufReader::new(bundle.open_at(member, range.start)?).take(range.end.saturating_sub(range.start));
        Ok(Self { lines, line: Vec::new(), bytes: Vec::new(), at: 0, next: 0 })
    }
}

impl Read for Pieces {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        while self.at == self.bytes.len() {
            self.line.clear();
            if (&mut self.lines).take(MAX_LINE).read_until(b'\n', &mut self.line)? == 0 {
                return Ok(0);
            }
            if self.line.trim_ascii().is_empty() {
                continue;
            }
            let piece = piece(&self.line).filter(|piece| piece.number == self.next);
            let piece = piece.ok_or_else(|| io::Error::other("a piece of it is damaged or missing"))?;
            (self.bytes, self.at) = (piece.bytes, 0);
            self.next += 1;
        }
        let count = buffer.len().min(self.bytes.len() - self.at);
        buffer[..count].copy_from_slice(&self.bytes[self.at..self.at + count]);
        self.at += count;
        Ok(count)
    }
}
