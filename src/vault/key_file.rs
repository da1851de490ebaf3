//! Key files: 32 random bytes as a line of text, by which a credential proves itself without a password.

use zeroize::Zeroizing;

use super::content::{hex, unhex};
use crate::crypto::{Password, random};

const WORD: &str = "CONVAULT-KEY-1 ";

/// What a key file holds.
pub struct KeyFile(Zeroizing<[u8; 32]>);

impl KeyFile {
    /// Draws a key.
    pub fn generate() -> Self {
        let mut bytes = Zeroizing::new([0; 32]);
        random::fill(&mut *bytes);
        Self(bytes)
    }

    /// The file's text; `about` is for people and may be wrong.
    pub fn show(&self, about: &str) -> Zeroizing<String> {
        let digits = Zeroizing::new(hex(&*self.0));
        Zeroizing::new(format!("# {about}\n{WORD}{}\n", *digits))
    }

    /// The secret of the key's slot.
    pub(super) fn password(&self) -> Password {
        Password::new(self.0.to_vec())
    }

    /// Reads a key file: lines that begin with `#`, and one that is the key. `None` when it is none.
    pub fn parse(file: &Password) -> Option<Self> {
        let text = std::str::from_utf8(file.expose()).ok()?;
        let mut lines = text.lines().filter(|line| !line.starts_with('#') && !line.is_empty());
        let key = unhex::<32>(lines.next()?.strip_prefix(WORD)?)?;
        lines.next().is_none().then(|| Self(Zeroizing::new(key)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(text: &str) -> Option<Vec<u8>> {
        KeyFile::parse(&Password::new(text.as_bytes().to_vec())).map(|key| key.0.to_vec())
    }

    #[test]
    fn a_key_file_is_read_back_and_nothing_else_is_one() {
        let key = KeyFile::generate();
        let text = key.show("convault janitor key");
        assert!(text.starts_with("# convault janitor key\nCONVAULT-KEY-1 "));
        assert_eq!(parse(&text), Some(key.0.to_vec()));
        let line = text.lines().nth(1).unwrap();
        assert!(parse(line).is_some());
        for other in [
            String::new(),
            "# only words\n".to_owned(),
            format!("{line}0"),
            line[..line.len() - 1].to_owned(),
            format!("{line}\n{line}"),
            line.to_lowercase(),
        ] {
            assert_eq!(parse(&other), None, "{other}");
        }
    }
}
