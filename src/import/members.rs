//! How importers read members: whole, or element by element, with what cannot be read named by its place.

use std::io::Read;
use std::ops::ControlFlow;

use super::json::split::{MAX_ELEMENT, SplitError, Splitter};
use super::{Emit, Problem, Unit};
use crate::bundle::{Bundle, BundleError, MemberReader};

/// Largest member read whole: a session's log. The largest seen in issue trackers had some 100 MB.
pub const MAX_WHOLE: usize = MAX_ELEMENT;

/// The name of a member in the bundle.
pub fn name(bundle: &Bundle, member: usize) -> String {
    bundle.members().get(member).map(|listed| listed.name.clone()).unwrap_or_default()
}

/// Reads a member whole. The outer error is a refusal of the whole bundle.
pub fn whole(bundle: &Bundle, member: usize) -> Result<Result<Vec<u8>, Problem>, BundleError> {
    let problem = |reason: String| Problem { place: name(bundle, member), reason };
    let declared = bundle.members().get(member).and_then(|listed| listed.size_declared).unwrap_or(0);
    // One more than declared, so that the end is seen without growing. A hint: nothing declared is believed.
    let room = usize::try_from(declared).unwrap_or(0).saturating_add(1).min(MAX_WHOLE);
    let read = bundle.open(member).and_then(|reader| {
        let mut bytes = Vec::with_capacity(room);
        reader.take(MAX_WHOLE as u64 + 1).read_to_end(&mut bytes).map_err(BundleError::from_read)?;
        Ok(bytes)
    });
    match read {
        Ok(bytes) if bytes.len() > MAX_WHOLE => Ok(Err(problem(format!("larger than {} MiB", MAX_WHOLE >> 20)))),
        Ok(bytes) => Ok(Ok(bytes)),
        Err(error) if error.is_refusal() => Err(error),
        Err(error) => Ok(Err(problem(error.to_string()))),
    }
}

/// Emits each element of a JSON array, or each JSON value of a sequence of them, as a unit.
pub fn each_element(bundle: &Bundle, member: usize, emit: Emit<'_>) -> Result<ControlFlow<()>, BundleError> {
    each_element_of(Splitter::new, bundle, member, emit)
}

/// The same with a splitter of the caller's making: for an array that stands inside an object.
pub fn each_element_of(
    splitter: impl FnOnce(MemberReader) -> Splitter<MemberReader>,
    bundle: &Bundle,
    member: usize,
    emit: Emit<'_>,
) -> Result<ControlFlow<()>, BundleError> {
    let name = name(bundle, member);
    let reader = match bundle.open(member) {
        Ok(reader) => reader,
        Err(error) if error.is_refusal() => return Err(error),
        Err(error) => return Ok(emit(Err(Problem { place: name, reason: error.to_string() }))),
    };
    let mut splitter = splitter(reader);
    let mut index = 0_u64;
    while let Some(next) = splitter.next_element() {
        let place = format!("{name}[{index}]");
        index += 1;
        let result = match next {
            Ok(bytes) => Ok(Unit { member, place, bytes: bytes.to_vec(), ..Unit::default() }),
            Err(SplitError::Read(error)) => match BundleError::from_read(error) {
                refusal if refusal.is_refusal() => return Err(refusal),
                error => Err(Problem { place, reason: error.to_string() }),
            },
            Err(error) => Err(Problem { place, reason: error.to_string() }),
        };
        if emit(result).is_break() {
            return Ok(ControlFlow::Break(()));
        }
    }
    Ok(ControlFlow::Continue(()))
}
