//! Looks at JSON without parsing it: the fields of an object and the elements of an array as raw bytes.
//!
//! Splitting thousands of logs needs one field of a line, not the line. What stands here believes that the text
//! is JSON and is wrong without harm where it is not: the parser decides later.

/// The fields of the object at the beginning of `bytes`: key and value, raw. The last value may be cut off.
pub(super) fn fields(bytes: &[u8]) -> Fields<'_> {
    let at = match blank(bytes, 0) {
        at if bytes.get(at) == Some(&b'{') => at + 1,
        _ => bytes.len(),
    };
    Fields { bytes, at }
}

/// See [`fields`].
pub(super) struct Fields<'a> {
    bytes: &'a [u8],
    at: usize,
}

impl<'a> Iterator for Fields<'a> {
    type Item = (&'a [u8], &'a [u8]);

    fn next(&mut self) -> Option<Self::Item> {
        let bytes = self.bytes;
        let mut at = blank(bytes, self.at);
        if bytes.get(at) == Some(&b',') {
            at = blank(bytes, at + 1);
        }
        self.at = bytes.len();
        if bytes.get(at) != Some(&b'"') {
            return None;
        }
        let end = string_end(bytes, at)?;
        let key = bytes.get(at + 1..end - 1)?;
        let colon = blank(bytes, end);
        if bytes.get(colon) != Some(&b':') {
            return None;
        }
        let start = blank(bytes, colon + 1);
        let end = value_end(bytes, start).unwrap_or(bytes.len());
        self.at = end;
        Some((key, bytes.get(start..end)?))
    }
}

/// An element of an array: where it begins, its bytes, and whether it is cut off.
pub(super) struct Element<'a> {
    pub(super) start: usize,
    pub(super) bytes: &'a [u8],
    pub(super) is_open: bool,
}

/// The elements of the array that `bytes` is.
pub(super) fn elements(bytes: &[u8]) -> impl Iterator<Item = Element<'_>> {
    let mut at = if bytes.first() == Some(&b'[') { 1 } else { bytes.len() };
    std::iter::from_fn(move || {
        while matches!(bytes.get(at), Some(b',' | b' ' | b'\t' | b'\r' | b'\n')) {
            at += 1;
        }
        let start = at;
        if matches!(bytes.get(start), None | Some(b']' | b'}' | b':')) {
            return None;
        }
        let end = value_end(bytes, start);
        at = end.unwrap_or(bytes.len());
        Some(Element { start, bytes: bytes.get(start..at)?, is_open: end.is_none() })
    })
}

/// What stands between the quotes of a raw string; none for other values, and for a string that is cut off.
pub(super) fn string(value: &[u8]) -> Option<&[u8]> {
    value.strip_prefix(b"\"")?.strip_suffix(b"\"").filter(|text| !text.is_empty())
}

/// Past white space, and past a byte order mark at the very beginning.
fn blank(bytes: &[u8], from: usize) -> usize {
    let mut at = if from == 0 && bytes.starts_with(b"\xef\xbb\xbf") { 3 } else { from };
    while matches!(bytes.get(at), Some(b' ' | b'\t' | b'\r' | b'\n')) {
        at += 1;
    }
    at
}

/// Behind the string that begins at `at`; none when it does not end.
fn string_end(bytes: &[u8], at: usize) -> Option<usize> {
    let mut at = at + 1;
    loop {
        let found = at + memchr::memchr2(b'"', b'\\', bytes.get(at..)?)?;
        if bytes.get(found) == Some(&b'"') {
            return Some(found + 1);
        }
        at = found + 2;
    }
}

/// Behind the value that begins at `at`; none when it does not end.
fn value_end(bytes: &[u8], at: usize) -> Option<usize> {
    match bytes.get(at)? {
        b'"' => string_end(bytes, at),
        b'{' | b'[' => {
            let mut depth = 0_usize;
            let mut at = at;
            loop {
                match bytes.get(at)? {
                    b'"' => at = string_end(bytes, at)? - 1,
                    b'{' | b'[' => depth += 1,
                    b'}' | b']' => {
                        depth -= 1;
                        if depth == 0 {
                            return Some(at + 1);
                        }
                    }
                    _ => {}
                }
                at += 1;
            }
        }
        _ => {
            let rest = bytes.get(at..)?;
            rest.iter().position(|byte| matches!(byte, b',' | b'}' | b']' | b' ' | b'\n' | b'\r')).map(|end| at + end)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn told(json: &str) -> Vec<(String, String)> {
        let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
        fields(json.as_bytes()).map(|(key, value)| (text(key), text(value))).collect()
    }

    #[test]
    fn fields_of_the_outermost_object_come_out_raw() {
        let found = told("\u{feff} {\"a\" : \"x\\\"}\", \"b\":{\"a\":[1,\"]\"]},\"c\":-1.5 ,\"d\":null}");
        let found: Vec<_> = found.iter().map(|(key, value)| (key.as_str(), value.as_str())).collect();
        assert_eq!(found, [("a", "\"x\\\"}\""), ("b", "{\"a\":[1,\"]\"]}"), ("c", "-1.5"), ("d", "null")]);
    }

    #[test]
    fn a_beginning_gives_what_it_has() {
        assert_eq!(told("{\"a\":1,\"b\":{\"c\":\"d").len(), 2);
        assert_eq!(told("{\"a\":1,\"b"), [("a".to_owned(), "1".to_owned())]);
        assert_eq!(told("[1]"), []);
        assert_eq!(told(""), []);
        assert_eq!(string(b"\"cut off"), None);
    }

    #[test]
    fn elements_are_cut_at_their_ends() {
        let array = b"[ {\"a\":[1]}, 2,\"]\" , {\"b\"";
        let found: Vec<_> = elements(array).map(|e| (e.start, e.bytes.to_vec(), e.is_open)).collect();
        let expected: [(usize, &[u8], bool); 4] =
            [(2, b"{\"a\":[1]}", false), (13, b"2", false), (15, b"\"]\"", false), (21, b"{\"b\"", true)];
        assert_eq!(found, expected.map(|(start, bytes, open)| (start, bytes.to_vec(), open)));
    }
}
