//! Any file, kept sealed as it is: for what no format reads, and only on request.
//!
//! Each member becomes one conversation without messages whose single attachment is the file. The bytes
//! stream from the bundle into the vault and are never held whole; here they are read once, for the id.

use std::io::Read;
use std::ops::ControlFlow;

use super::{Context, Emit, Evidence, Importer, Notes, Parsed, Problem, Sample, Unit, Unread, WholeMember};
use crate::bundle::{Bundle, BundleError};
use crate::conversation::{Attachment, Conversation, Kind, Payload};
use crate::crypto::hash::{Hasher, labelled};

/// Bytes read at a time.
const BUFFER: usize = 256 << 10;

/// The format.
pub struct Format;

impl Importer for Format {
    fn name(&self) -> &'static str {
        "opaque"
    }

    fn about(&self) -> &'static str {
        "any file or folder, kept byte for byte without being read"
    }

    fn keeps(&self) -> &'static str {
        "the bytes, the file name"
    }

    fn loses(&self) -> &'static str {
        "nothing; but nothing is read out of it either, so neither lists nor searches know more than its name"
    }

    /// Never: everything is a file, so it would claim everything.
    fn probe(&self, _: &Sample) -> Option<Evidence> {
        None
    }

    fn split(&self, bundle: &Bundle, context: &Context, emit: Emit<'_>) -> Result<(), BundleError> {
        for &member in &context.sources {
            let Some(listed) = bundle.members().get(member) else { continue };
            let result = match digest(bundle, member) {
                Ok((digest, size)) => Ok(Unit {
                    member,
                    place: listed.name.clone(),
                    whole: Some(WholeMember { name: listed.name.clone(), digest, size }),
                    ..Unit::default()
                }),
                Err(error) if error.is_refusal() => return Err(error),
                Err(error) => Err(Problem { place: listed.name.clone(), reason: error.to_string() }),
            };
            if let ControlFlow::Break(()) = emit(result) {
                break;
            }
        }
        Ok(())
    }

    fn parse(&self, _: &Context, unit: &Unit) -> Result<Parsed, Unread> {
        let Some(whole) = &unit.whole else {
            return Err(Problem { place: unit.place.clone(), reason: "not a whole file".to_owned() }.into());
        };
        let file_name = whole.name.rsplit('/').next().unwrap_or(&whole.name).to_owned();
        // The name is in the id so that two copies of a file under two names are two entries. The
        // digest stands first because it has a fixed length.
        let id = labelled("convault/opaque/id", &[&whole.digest, whole.name.as_bytes()]);
        let attachment = Attachment {
            name: Some(file_name.clone()),
            size: Some(whole.size),
            payload: Some(Payload::Member(unit.member)),
            ..Attachment::default()
        };
        let conversation = Conversation {
            native_id: super::hex_id(&id),
            title: Some(file_name),
            kind: Kind::Opaque,
            attachments: vec![attachment],
            ..Conversation::default()
        };
        Ok(Parsed::new(conversation, Notes::default(), Vec::new()))
    }
}

fn digest(bundle: &Bundle, member: usize) -> Result<([u8; 32], u64), BundleError> {
    let mut reader = bundle.open(member)?;
    let mut buffer = vec![0; BUFFER];
    let mut hasher = Hasher::new();
    let mut size = 0;
    loop {
        let count = match reader.read(&mut buffer) {
            Ok(0) => return Ok((hasher.finish(), size)),
            Ok(count) => count,
            Err(error) if error.kind() == std::io::ErrorKind::Interrupted => continue,
            Err(error) => return Err(BundleError::from_read(error)),
        };
        hasher.update(&buffer[..count]);
        size += count as u64;
    }
}
