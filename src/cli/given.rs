//! Small files that a command is given: read whole, and never beyond a bound.

use std::path::Path;

use super::failure::Failure;

/// The bytes of a file of at most `largest` bytes. `what` it should be stands in the error.
pub(super) fn read(path: &Path, largest: u64, what: &str) -> Result<Vec<u8>, Failure> {
    let io = |error: std::io::Error| Failure::io(path, &error);
    if std::fs::metadata(path).map_err(io)?.len() > largest {
        return Err(Failure::failed(format!("{}: too large for a {what}", path.display())));
    }
    std::fs::read(path).map_err(io)
}
