//! What is sealed of a segment: the card that lists show, and the body that holds everything.
//!
//! `docs/format.md` §4 gives the bytes. Pure: nothing here seals or stores.

use std::io::Read;
use std::ops::Range;

use serde::{Deserialize, Serialize};
use zeroize::Zeroizing;
use zstd::zstd_safe::{CCtx, DCtx, DParameter, InBuffer, OutBuffer, ResetDirective};

use super::original::{Folder, unfold};
use crate::bytes::{Malformed, Reader};
use crate::conversation::{Conversation, Kind, SourceTime};
use crate::crypto::{Digest, padding};

/// The largest body, decompressed; a hostile frame must not fill the memory.
const MAX_BODY: usize = 1 << 30;

/// The largest card.
pub(super) const MAX_CARD: usize = 1 << 20;

/// The most originals one body keeps.
const MAX_ORIGINALS: u32 = 1 << 16;

/// zstd level 1: half the size of the text at a tenth of the time of level 9 (measured); no
/// dictionary, because it would outlive what it was made from.
const LEVEL: i32 = 1;

/// A little more than level 1 takes for a small frame: 1 % smaller; 2^16 entries are another 0.5 % and 4 % slower (measured).
const HASH_LOG: zstd::zstd_safe::CParameter = zstd::zstd_safe::CParameter::HashLog(14);

/// What a list shows of a conversation.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Card {
    /// The source's id.
    pub native_id: String,
    /// The title; empty when the source has none.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub title: String,
    /// The format it came from.
    pub source: String,
    /// What sort it is.
    pub kind: Kind,
    /// When it began, in the source's words.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub created: Option<SourceTime>,
    /// When it last changed, in the source's words.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub updated: Option<SourceTime>,
    /// Number of messages, hidden ones and abandoned branches included.
    pub messages: u64,
    /// Number of attachments.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub attachments: u64,
    /// Names of the participants that have one.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub participants: Vec<String>,
    /// SHA-256 of each original in hex, newest first.
    pub digests: Vec<String>,
    /// Flags of the source.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub flags: Vec<String>,
    /// The model.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub model: Option<String>,
    /// The project or folder.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub project: Option<String>,
    /// The version that read it.
    pub importer: String,
    /// Fields and parts that were kept without being understood.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub unknown: u64,
}

fn is_zero(count: &u64) -> bool {
    *count == 0
}

impl Card {
    /// The card of a conversation.
    pub(super) fn of(conversation: &Conversation, source: &str, originals: &[(&[u8], Digest)], unknown: u64) -> Self {
        Self {
            native_id: conversation.native_id.clone(),
            title: conversation.title.clone().unwrap_or_default(),
            source: source.to_owned(),
            kind: conversation.kind,
            created: conversation.created.clone(),
            updated: conversation.updated.clone(),
            messages: conversation.messages.len() as u64,
            attachments: conversation.attachments.len() as u64,
            participants: conversation.participants.iter().filter_map(|p| p.name.clone()).collect(),
            digests: originals.iter().map(|(_, digest)| hex(digest)).collect(),
            flags: conversation.flags.clone(),
            model: conversation.model.clone(),
            project: conversation.project.clone(),
            importer: concat!("convault ", env!("CARGO_PKG_VERSION")).to_owned(),
            unknown,
        }
    }

    pub(super) fn encode(&self) -> Zeroizing<Vec<u8>> {
        let json = Zeroizing::new(serde_json::to_vec(self).expect("strings and numbers are valid JSON"));
        padding::bucket(&json)
    }

    pub(super) fn decode(padded: &[u8]) -> Result<Self, Malformed> {
        let json = padding::trimmed(padded).ok_or(Malformed)?;
        serde_json::from_slice(json).map_err(|_| Malformed)
    }
}

/// Bytes in lower-case hexadecimal.
pub fn hex(bytes: &[u8]) -> String {
    const DIGITS: &[u8; 16] = b"0123456789abcdef";
    // Receipts are mostly digits: one allocation each.
    let mut text = String::with_capacity(2 * bytes.len());
    for byte in bytes {
        text.push(char::from(DIGITS[usize::from(byte >> 4)]));
        text.push(char::from(DIGITS[usize::from(byte & 15)]));
    }
    text
}

/// A digest from lower-case hexadecimal; none for anything else.
pub fn unhex<const N: usize>(digits: &str) -> Option<[u8; N]> {
    let digit = |digit: u8| match digit {
        b'0'..=b'9' => Some(digit - b'0'),
        b'a'..=b'f' => Some(digit - b'a' + 10),
        _ => None,
    };
    let mut bytes = [0; N];
    let (pairs, rest) = digits.as_bytes().as_chunks::<2>();
    if pairs.len() != N || !rest.is_empty() {
        return None;
    }
    for (byte, [high, low]) in bytes.iter_mut().zip(pairs) {
        *byte = digit(*high)? << 4 | digit(*low)?;
    }
    Some(bytes)
}

/// Writes bodies; keeps its buffers and its compressor from one to the next.
pub(super) struct BodyEncoder {
    compressor: zstd::bulk::Compressor<'static>,
    frame: Zeroizing<Vec<u8>>,
    compressed: Zeroizing<Vec<u8>>,
}

impl BodyEncoder {
    pub(super) fn new() -> Self {
        let mut compressor = zstd::bulk::Compressor::new(LEVEL).expect("level 1 exists");
        compressor.set_parameter(HASH_LOG).expect("a table of 2^16 entries is within zstd's limits");
        Self { compressor, frame: Zeroizing::default(), compressed: Zeroizing::default() }
    }

    /// The padded body. `None` when it would exceed the format's limit.
    pub(super) fn encode(
        &mut self,
        conversation: &Conversation,
        originals: &[(&[u8], Digest)],
    ) -> Option<Zeroizing<Vec<u8>>> {
        // What is read back is bounded unfolded, so that is what must fit.
        let whole = originals.iter().try_fold(0, |sum: usize, (original, _)| sum.checked_add(original.len()))?;
        if whole > MAX_BODY || originals.len() > MAX_ORIGINALS as usize {
            return None;
        }
        let frame = &mut self.frame;
        frame.clear();
        frame.extend_from_slice(&(conversation.text.len() as u64).to_be_bytes());
        // The other lengths are known when their sections are written.
        frame.extend_from_slice(&[0; 8]);
        frame.extend_from_slice(&u32::try_from(originals.len()).ok()?.to_be_bytes());
        let head = frame.len() + 8 * originals.len();
        frame.resize(head, 0);
        frame.extend_from_slice(conversation.text.as_bytes());
        let structure = frame.len();
        serde_json::to_writer(&mut **frame, conversation).expect("strings and numbers are valid JSON");
        let length = (frame.len() - structure) as u64;
        frame[8..16].copy_from_slice(&length.to_be_bytes());
        let folder = Folder::of(conversation);
        for (place, (original, _)) in (20..).step_by(8).zip(originals) {
            let start = frame.len();
            folder.fold(original, frame);
            let length = (frame.len() - start) as u64;
            frame[place..place + 8].copy_from_slice(&length.to_be_bytes());
        }
        if frame.len() > MAX_BODY {
            return None;
        }
        self.compressed.clear();
        // Two frames of zstd have room for the same in one with another block.
        self.compressed.reserve(2 * zstd::zstd_safe::compress_bound(frame.len().div_ceil(2)) + 64);
        compress(self.compressor.context_mut(), frame, structure, &mut self.compressed)?;
        Some(padding::stretch(&self.compressed))
    }
}

/// Compresses a frame; a block of zstd ends with the text, before `structure`, so that a look at the text alone need not
/// decompress what is behind it.
fn compress(context: &mut CCtx<'_>, frame: &[u8], structure: usize, out: &mut Vec<u8>) -> Option<()> {
    context.reset(ResetDirective::SessionOnly).ok()?;
    context.set_pledged_src_size(Some(frame.len() as u64)).ok()?;
    let mut out = OutBuffer::around(out);
    let (text, rest) = frame.split_at(structure);
    for (part, is_last) in [(text, false), (rest, true)] {
        let mut part = InBuffer::around(part);
        while part.pos < part.src.len() {
            context.compress_stream(&mut out, &mut part).ok()?;
        }
        loop {
            let left = if is_last { context.end_stream(&mut out) } else { context.flush_stream(&mut out) };
            if left.ok()? == 0 {
                break;
            }
        }
    }
    Some(())
}

/// A body, opened.
pub struct Body {
    /// The conversation, text section included.
    pub conversation: Conversation,
    /// The source's bytes, newest first.
    pub originals: Vec<Zeroizing<Vec<u8>>>,
}

struct Lengths {
    text: usize,
    structure: usize,
    originals: Vec<usize>,
}

fn lengths(reader: &mut impl Read) -> Result<Lengths, Malformed> {
    let mut head = [0; 20];
    reader.read_exact(&mut head).map_err(|_| Malformed)?;
    let mut fields = Reader::new(&head);
    let size = |value: u64| usize::try_from(value).ok().filter(|size| *size <= MAX_BODY).ok_or(Malformed);
    let (text, structure) = (size(fields.u64()?)?, size(fields.u64()?)?);
    let count = fields.u32()?;
    if count > MAX_ORIGINALS {
        return Err(Malformed);
    }
    let mut originals = Vec::new();
    for _ in 0..count {
        let mut length = [0; 8];
        reader.read_exact(&mut length).map_err(|_| Malformed)?;
        originals.push(size(u64::from_be_bytes(length))?);
    }
    let total = originals.iter().try_fold(text + structure, |sum, length| sum.checked_add(*length));
    if total.is_none_or(|total| total > MAX_BODY) {
        return Err(Malformed);
    }
    Ok(Lengths { text, structure, originals })
}

fn section(reader: &mut impl Read, length: usize) -> Result<Zeroizing<Vec<u8>>, Malformed> {
    // Grows as bytes come: a declared length alone takes no memory.
    let mut bytes = Zeroizing::new(Vec::with_capacity(length.min(1 << 20)));
    reader.take(length as u64).read_to_end(&mut bytes).map_err(|_| Malformed)?;
    if bytes.len() == length { Ok(bytes) } else { Err(Malformed) }
}

/// The text section and the structure after it.
fn conversation(reader: &mut impl Read, lengths: &Lengths) -> Result<Conversation, Malformed> {
    let text = String::from_utf8(std::mem::take(&mut *section(reader, lengths.text)?)).map_err(|_| Malformed)?;
    let structure = section(reader, lengths.structure)?;
    let conversation: Conversation = serde_json::from_slice(&structure).map_err(|_| Malformed)?;
    Ok(Conversation { text, ..conversation })
}

impl Body {
    /// Reads a padded body.
    pub(super) fn decode(padded: &[u8]) -> Result<Self, Malformed> {
        let mut reader = decoder(padded)?;
        let lengths = lengths(&mut reader)?;
        let conversation = conversation(&mut reader, &lengths)?;
        let mut originals = Vec::new();
        let mut left = MAX_BODY;
        for length in lengths.originals {
            let original = unfold(&section(&mut reader, length)?, &conversation, left)?;
            left -= original.len();
            originals.push(Zeroizing::new(original));
        }
        // The frame must end here.
        if reader.read(&mut [0]).map_err(|_| Malformed)? != 0 {
            return Err(Malformed);
        }
        Ok(Self { conversation, originals })
    }
}

/// Bytes that are decompressed at once, so that a declared length alone takes no memory.
const STEP: usize = 1 << 20;

/// Opens bodies for a look at their text; keeps its buffer and its decompressor from one to the next.
pub(super) struct BodyReader {
    context: DCtx<'static>,
    frame: Zeroizing<Vec<u8>>,
}

impl BodyReader {
    pub(super) fn new() -> Self {
        let mut context = DCtx::create();
        context.set_parameter(DParameter::WindowLogMax(WINDOW_LOG)).expect("zstd's own default is allowed");
        Self { context, frame: Zeroizing::default() }
    }

    /// Reads the text of a padded body, and what is behind it when it is asked for.
    pub(super) fn read<'r>(&'r mut self, padded: &'r [u8]) -> Result<Spoken<'r>, Malformed> {
        let compressed = padding::unstretched(padded).ok_or(Malformed)?;
        self.context.reset(ResetDirective::SessionOnly).map_err(|_| Malformed)?;
        self.frame.clear();
        let input = InBuffer::around(compressed);
        let mut spoken = Spoken { context: &mut self.context, frame: &mut self.frame, input, text: 0..0, end: 0 };
        spoken.fill(20)?;
        let originals = spoken.frame.last_chunk().map_or(0, |count| u32::from_be_bytes(*count));
        if originals > MAX_ORIGINALS {
            return Err(Malformed);
        }
        let head = 20 + 8 * originals as usize;
        spoken.fill(head)?;
        let lengths = lengths(&mut spoken.frame.as_slice())?;
        spoken.text = head..head + lengths.text;
        spoken.end = spoken.text.end + lengths.structure;
        spoken.fill(spoken.text.end)?;
        std::str::from_utf8(&spoken.frame[spoken.text.clone()]).map_err(|_| Malformed)?;
        Ok(spoken)
    }
}

/// What a body says, decompressed as far as it was asked.
pub struct Spoken<'a> {
    context: &'a mut DCtx<'static>,
    frame: &'a mut Zeroizing<Vec<u8>>,
    input: InBuffer<'a>,
    text: Range<usize>,
    /// Where the structure ends.
    end: usize,
}

impl Spoken<'_> {
    /// Decompresses until there are so many bytes.
    fn fill(&mut self, length: usize) -> Result<(), Malformed> {
        while self.frame.len() < length {
            let (start, end) = (self.frame.len(), length.min(self.frame.len() + STEP));
            if self.frame.capacity() < end {
                // What is grown out of is wiped.
                let mut bigger = Zeroizing::new(Vec::with_capacity(end.next_power_of_two()));
                bigger.extend_from_slice(self.frame);
                *self.frame = bigger;
            }
            self.frame.resize(end, 0);
            let mut output = OutBuffer::around(&mut self.frame[start..]);
            let stopped = self.context.decompress_stream(&mut output, &mut self.input).is_err();
            let filled = output.pos();
            self.frame.truncate(start + filled);
            if stopped || filled == 0 {
                return Err(Malformed);
            }
        }
        Ok(())
    }

    /// The text section: every part's text, a line feed after each.
    pub fn text(&self) -> &str {
        // It was looked at when it was read.
        std::str::from_utf8(&self.frame[self.text.clone()]).unwrap_or_default()
    }

    fn structure(&mut self) -> Result<&[u8], Malformed> {
        self.fill(self.end)?;
        Ok(&self.frame[self.text.end..self.end])
    }

    /// The conversation, whole.
    pub fn conversation(&mut self) -> Result<Conversation, Malformed> {
        let conversation: Conversation = serde_json::from_slice(self.structure()?).map_err(|_| Malformed)?;
        Ok(Conversation { text: self.text().to_owned(), ..conversation })
    }

    /// Whether everything that is searched for stands in the text section or the title: no document, file or source is
    /// named, nor a tool or a language. Where it says no, there may be none all the same.
    pub fn is_all_text(&mut self) -> Result<bool, Malformed> {
        let structure = self.structure()?;
        // The conversation has a kind, and every part that is no text. Inside a string quotes have a backslash before them.
        Ok(memchr::memmem::find_iter(structure, br#""kind""#).nth(1).is_none())
    }

    /// The title.
    pub fn title(&mut self) -> Result<Option<String>, Malformed> {
        #[derive(Deserialize)]
        struct Titled {
            title: Option<String>,
        }
        let structure = self.structure()?;
        // As this program writes it, the id and the title come first and the kind follows them.
        let kind = memchr::memmem::find(structure, br#","kind":"#).unwrap_or(structure.len());
        let beginning = [&structure[..kind], b"}"].concat();
        let titled = serde_json::from_slice(&beginning).or_else(|_| serde_json::from_slice(structure));
        titled.map(|titled: Titled| titled.title).map_err(|_| Malformed)
    }
}

/// The largest window, as a power of two: zstd's own default limit for frames it did not make itself.
const WINDOW_LOG: u32 = 27;

fn decoder(padded: &[u8]) -> Result<impl Read + '_, Malformed> {
    let compressed = padding::unstretched(padded).ok_or(Malformed)?;
    let mut decoder = zstd::stream::read::Decoder::with_buffer(compressed).map_err(|_| Malformed)?.single_frame();
    decoder.window_log_max(WINDOW_LOG).map_err(|_| Malformed)?;
    Ok(decoder)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::clock::Instant;
    use crate::conversation::{Message, Part, Role};

    fn conversation() -> Conversation {
        let mut made = Conversation { native_id: "n".to_owned(), title: Some("t".to_owned()), ..Default::default() };
        let author = made.participant(Role::User, None, None);
        let text = made.push_text("hello 🚀");
        made.messages.push(Message { author, parts: vec![Part { text, ..Part::default() }], ..Message::default() });
        made
    }

    #[test]
    fn a_body_gives_back_text_structure_and_originals() {
        let conversation = conversation();
        let originals: [(&[u8], Digest); 2] = [(b"{\"newer\": 1}", [1; 32]), (b"", [2; 32])];
        let mut encoder = BodyEncoder::new();
        for _ in 0..2 {
            let padded = encoder.encode(&conversation, &originals).unwrap();
            assert_eq!(padded.len(), 4096);
            let body = Body::decode(&padded).unwrap();
            assert_eq!(body.conversation, conversation);
            assert!(
                body.originals.iter().map(|original| original.as_slice()).eq(originals.map(|(original, _)| original))
            );
            let mut reader = BodyReader::new();
            let mut spoken = reader.read(&padded).unwrap();
            assert_eq!(spoken.text(), conversation.text);
            assert_eq!(spoken.conversation().unwrap(), conversation);
            assert_eq!((spoken.title().unwrap(), spoken.is_all_text()), (conversation.title.clone(), Ok(true)));
        }
    }

    #[test]
    fn damaged_bodies_are_malformed_and_never_panic() {
        let padded = BodyEncoder::new().encode(&conversation(), &[(b"original", [0; 32])]).unwrap();
        for at in 0..200 {
            let mut copy = padded.to_vec();
            copy[at] ^= 0x41;
            if let Ok(mut spoken) = BodyReader::new().read(&copy) {
                let _ = (spoken.title(), spoken.is_all_text(), spoken.conversation());
            }
            if let Ok(body) = Body::decode(&copy) {
                // zstd frames carry no checksum here: the seal around them is the check.
                assert!(body.conversation.messages.len() <= 1);
            }
        }
        // Up to the end of the frame; what follows is filling.
        let frame = 8 + usize::from(padded[7]);
        for at in 0..frame {
            assert!(Body::decode(&padded[..at]).is_err(), "cut at {at}");
            assert!(BodyReader::new().read(&padded[..at]).is_err(), "cut at {at}");
        }
    }

    #[test]
    fn a_frame_that_claims_a_huge_section_takes_no_memory() {
        let mut frame = Vec::new();
        frame.extend_from_slice(&(MAX_BODY as u64).to_be_bytes());
        frame.extend_from_slice(&[0; 12]);
        let padded = padding::stretch(&zstd::bulk::compress(&frame, 1).unwrap());
        assert_eq!(Body::decode(&padded).err(), Some(Malformed));
        frame[..8].copy_from_slice(&u64::MAX.to_be_bytes());
        let padded = padding::stretch(&zstd::bulk::compress(&frame, 1).unwrap());
        assert_eq!(Body::decode(&padded).err(), Some(Malformed));
        assert_eq!(BodyReader::new().read(&padded).err(), Some(Malformed));
    }

    #[test]
    fn what_could_not_be_read_back_is_not_written() {
        let many = vec![(&b""[..], [0; 32]); MAX_ORIGINALS as usize + 1];
        assert!(BodyEncoder::new().encode(&conversation(), &many).is_none());
        let body = BodyEncoder::new().encode(&conversation(), &many[1..]).unwrap();
        assert_eq!(Body::decode(&body).unwrap().originals.len(), MAX_ORIGINALS as usize);
    }

    #[test]
    fn a_card_fits_the_small_bucket() {
        let card = Card::of(&conversation(), "chatgpt", &[(b"x", [0; 32])], 0);
        assert_eq!(card.encode().len(), 512);
        assert_eq!(Card::decode(&card.encode()).unwrap(), card);
    }

    #[test]
    fn times_are_stored_short_and_come_back_whole() {
        let cases = [
            ("1756000000.123456", Some(Instant(1_756_000_000_123_456)), r#""1756000000.123456""#),
            ("2026-01-02T03:04:05Z", Some(Instant(1_767_323_045_000_000)), r#""2026-01-02T03:04:05Z""#),
            ("2/1/26, 03:04", None, r#"{"text":"2/1/26, 03:04","at":null}"#),
            // Milliseconds: the number alone would be read as seconds.
            (
                "1756000000123",
                Some(Instant(1_756_000_000_123_000)),
                r#"{"text":"1756000000123","at":1756000000123000}"#,
            ),
        ];
        for (text, at, stored) in cases {
            let time = SourceTime { text: text.to_owned(), at };
            assert_eq!(serde_json::to_string(&time).unwrap(), stored);
            assert_eq!(serde_json::from_str::<SourceTime>(stored).unwrap(), time);
        }
    }
}
