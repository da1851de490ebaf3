//! Base64 (RFC 4648 §4), as files stand in JSON.

/// Decodes the standard alphabet. Padding may be missing, white space is skipped; nothing for anything else.
pub fn decode(text: &str) -> Option<Vec<u8>> {
    let mut out = Vec::with_capacity(text.len() / 4 * 3 + 3);
    let mut bits: u32 = 0;
    let mut count = 0_u32;
    let mut padding = 0_u32;
    for byte in text.bytes() {
        let value = match byte {
            b'A'..=b'Z' => byte - b'A',
            b'a'..=b'z' => byte - b'a' + 26,
            b'0'..=b'9' => byte - b'0' + 52,
            b'+' => 62,
            b'/' => 63,
            b'=' => {
                padding += 1;
                continue;
            }
            b' ' | b'\t' | b'\r' | b'\n' => continue,
            _ => return None,
        };
        if padding > 0 {
            return None;
        }
        bits = bits << 6 | u32::from(value);
        count += 1;
        if count == 4 {
            out.extend_from_slice(bits.to_be_bytes().get(1..)?);
            (bits, count) = (0, 0);
        }
    }
    match (count, padding) {
        (0, 0) | (2, 0 | 2) | (3, 0 | 1) => {}
        _ => return None,
    }
    let [_, first, second, _] = (bits << (6 * (4 - count))).to_be_bytes();
    out.extend([first, second].into_iter().take(count.saturating_sub(1) as usize));
    Some(out)
}

#[cfg(test)]
mod tests {
    use super::decode;

    #[test]
    fn the_vectors_of_the_rfc_decode() {
        for (text, bytes) in
            [("", ""), ("Zg==", "f"), ("Zm8=", "fo"), ("Zm9v", "foo"), ("Zm9vYg==", "foob"), ("Zm9vYmFy", "foobar")]
        {
            assert_eq!(decode(text).as_deref(), Some(bytes.as_bytes()), "{text}");
        }
        assert_eq!(decode("+/+/").as_deref(), Some(&[0xfb, 0xff, 0xbf][..]));
    }

    #[test]
    fn padding_may_be_missing_and_lines_may_be_broken() {
        assert_eq!(decode("Zg").as_deref(), Some(&b"f"[..]));
        assert_eq!(decode("Zm8").as_deref(), Some(&b"fo"[..]));
        assert_eq!(decode(" Zm9v\r\nYmFy\n").as_deref(), Some(&b"foobar"[..]));
    }

    #[test]
    fn what_is_no_base64_is_refused() {
        for text in ["Z", "Zm9vZ", "Zg=", "Zg===", "Zm=v", "Zm9v=", "Zm-_", "Zm9v<scrubbed>", "é", "="] {
            assert_eq!(decode(text), None, "{text}");
        }
    }
}
