//! The key paths in the first bytes of a JSON file: what a probe may look at.
//!
//! It reads a beginning that may stop anywhere, so it parses nothing and believes little: the paths
//! say which shape a file has, and the importer finds out whether it keeps to it.

use std::collections::BTreeSet;

/// Most paths kept; the first conversation has shown its shape long before.
const MAX_PATHS: usize = 2_000;
/// Deepest path kept. No probe needs more than six steps.
const MAX_STEPS: usize = 8;

/// Key paths, array steps written as `[]`: `[]/mapping/abc/message/author`.
#[derive(Debug, Default)]
pub struct Outline {
    paths: BTreeSet<String>,
}

impl Outline {
    /// Reads the outline of the beginning of a file; none when it does not begin like JSON.
    pub fn of(head: &[u8]) -> Option<Self> {
        let head = head.strip_prefix(b"\xef\xbb\xbf").unwrap_or(head);
        let first = head.iter().find(|byte| !byte.is_ascii_whitespace())?;
        if !matches!(first, b'[' | b'{') {
            return None;
        }
        let mut outline = Self::default();
        outline.read(head);
        Some(outline)
    }

    /// Whether a path like `pattern` occurs; `*` stands for any one key.
    pub fn has(&self, pattern: &str) -> bool {
        let pattern: Vec<&str> = pattern.split('/').collect();
        self.paths.iter().any(|path| {
            let mut steps = path.split('/');
            pattern.iter().all(|want| steps.next().is_some_and(|step| *want == step || (*want == "*" && step != "[]")))
                && steps.next().is_none()
        })
    }

    fn read(&mut self, bytes: &[u8]) {
        // One entry for each open bracket: the step it adds, and for objects the key at hand.
        let mut stack: Vec<Level> = Vec::new();
        let mut at = 0;
        while let Some(byte) = bytes.get(at) {
            match byte {
                b'{' => stack.push(Level { is_array: false, key: None }),
                b'[' => stack.push(Level { is_array: true, key: None }),
                b'}' | b']' => {
                    stack.pop();
                }
                b',' => {
                    if let Some(level) = stack.last_mut() {
                        level.key = None;
                    }
                }
                b'"' => {
                    let rest = bytes.get(at + 1..).unwrap_or_default();
                    let Some(length) = string_length(rest) else { return };
                    if let Some(level) = stack.last_mut()
                        && !level.is_array
                        && level.key.is_none()
                    {
                        let key = String::from_utf8_lossy(rest.get(..length).unwrap_or_default()).replace('/', "\u{1}");
                        level.key = Some(key);
                        self.note(&stack);
                    }
                    at += length + 1;
                }
                _ => {}
            }
            at += 1;
        }
    }

    fn note(&mut self, stack: &[Level]) {
        if stack.len() <= MAX_STEPS && self.paths.len() < MAX_PATHS {
            let steps: Vec<&str> = stack
                .iter()
                .map(|level| if level.is_array { "[]" } else { level.key.as_deref().unwrap_or("") })
                .collect();
            self.paths.insert(steps.join("/"));
        }
    }
}

struct Level {
    is_array: bool,
    key: Option<String>,
}

/// Bytes up to the closing quote; none when the string does not end here.
fn string_length(bytes: &[u8]) -> Option<usize> {
    let mut at = 0;
    loop {
        let found = at + memchr::memchr2(b'"', b'\\', bytes.get(at..)?)?;
        if bytes.get(found) == Some(&b'"') {
            return Some(found);
        }
        at = found + 2;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_are_found_in_a_beginning_that_stops_anywhere() {
        let outline =
            Outline::of(b"\xef\xbb\xbf [{\"t\":\"mapping\",\"mapping\":{\"k\":{\"message\":{\"author\":{\"ro")
                .expect("JSON");
        assert!(outline.has("[]/mapping/*/message/author"));
        assert!(outline.has("[]/t"));
        assert!(!outline.has("[]/mapping/*/message/author/role"));
        assert!(!outline.has("mapping"));
        assert!(!outline.has("[]/t/mapping"));
    }

    #[test]
    fn other_files_have_no_outline() {
        assert!(Outline::of(b"hello").is_none());
        assert!(Outline::of(b"").is_none());
        assert!(Outline::of(b"  ").is_none());
    }
}
