//! Base64 as it stands in JSON: the standard alphabet, with or without padding, in one line or several.

use std::borrow::Cow;

use base64::Engine as _;
use base64::alphabet::STANDARD;
use base64::engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig};

const ENGINE: GeneralPurpose = GeneralPurpose::new(
    &STANDARD,
    GeneralPurposeConfig::new()
        .with_decode_padding_mode(DecodePaddingMode::Indifferent)
        .with_decode_allow_trailing_bits(true),
);

/// The bytes; nothing for what is no Base64.
pub fn decode(text: &str) -> Option<Vec<u8>> {
    let is_broken = text.bytes().any(|byte| byte.is_ascii_whitespace());
    let text: Cow<'_, str> = match is_broken {
        true => Cow::Owned(text.split_ascii_whitespace().collect()),
        false => Cow::Borrowed(text),
    };
    ENGINE.decode(text.as_bytes()).ok()
}

#[cfg(test)]
mod tests {
    use super::decode;

    #[test]
    fn padding_may_be_missing_and_lines_may_be_broken() {
        assert_eq!(decode("Zm9vYg==").as_deref(), Some(&b"foob"[..]));
        assert_eq!(decode("Zm8").as_deref(), Some(&b"fo"[..]));
        assert_eq!(decode(" Zm9v\r\nYmFy\n").as_deref(), Some(&b"foobar"[..]));
        assert_eq!(decode("").as_deref(), Some(&b""[..]));
        for text in ["Z", "Zm9vZ", "Zm=v", "Zm-_", "é"] {
            assert_eq!(decode(text), None, "{text}");
        }
    }
}
