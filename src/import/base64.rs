//! Base64 as logs write pictures: the standard alphabet, white space skipped, padding optional.

/// What a byte is worth; the others stand for no digit.
const NONE: u8 = 0xff;
const SPACE: u8 = 0xfe;

const DIGITS: [u8; 256] = {
    let alphabet = *b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let mut table = [NONE; 256];
    let mut value = 0;
    while value < 64 {
        table[alphabet[value as usize] as usize] = value;
        value += 1;
    }
    let spaces = *b" \t\r\n";
    let mut index = 0;
    while index < spaces.len() {
        table[spaces[index] as usize] = SPACE;
        index += 1;
    }
    table
};

/// The bytes; none when anything else stands there, or a digit too few.
pub fn decode(text: &str) -> Option<Vec<u8>> {
    let text = text.trim_ascii_end();
    let digits = text.strip_suffix('=').map_or(text, |rest| rest.strip_suffix('=').unwrap_or(rest));
    let mut out = Vec::with_capacity(digits.len() / 4 * 3 + 3);
    let mut bits: u32 = 0;
    let mut held = 0;
    for byte in digits.bytes() {
        let value = DIGITS[usize::from(byte)];
        if value >= SPACE {
            if value == NONE {
                return None;
            }
            continue;
        }
        bits = bits << 6 | u32::from(value);
        held += 1;
        if held == 4 {
            let [_, first, second, third] = bits.to_be_bytes();
            out.extend_from_slice(&[first, second, third]);
            (bits, held) = (0, 0);
        }
    }
    let padding = text.len() - digits.len();
    // What is left over fills whole bytes and no bit more; padding, when there is some, must fit it.
    match (held, padding) {
        (0, 0) => {}
        (2, 0 | 2) if bits & 0xf == 0 => out.push((bits >> 4).to_be_bytes()[3]),
        (3, 0 | 1) if bits & 0x3 == 0 => out.extend_from_slice(&(bits >> 2).to_be_bytes()[2..]),
        _ => return None,
    }
    Some(out)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_vectors_of_rfc_4648_are_read() {
        let vectors =
            [("", ""), ("f", "Zg=="), ("fo", "Zm8="), ("foo", "Zm9v"), ("foob", "Zm9vYg=="), ("fooba", "Zm9vYmE=")];
        for (bytes, text) in vectors {
            assert_eq!(decode(text).as_deref(), Some(bytes.as_bytes()), "{text}");
            assert_eq!(decode(text.trim_end_matches('=')).as_deref(), Some(bytes.as_bytes()), "{text} unpadded");
        }
        assert_eq!(decode("+/+/").as_deref(), Some(&[0xfb, 0xff, 0xbf][..]));
    }

    #[test]
    fn white_space_is_skipped() {
        assert_eq!(decode(" Zm9v\r\n YmE= \n").as_deref(), Some(&b"fooba"[..]));
    }

    #[test]
    fn what_is_no_base64_is_refused() {
        for text in ["Z", "Zm9vY", "Zm9=v", "Zm9v=", "Zg=", "Zm8==", "Zg===", "Zh==", "Zm9=", "Zm-v", "Zm_v", "é", "="]
        {
            assert_eq!(decode(text), None, "{text}");
        }
    }
}
