//! Recovery codes: 130 random bits that a person can write down, with a checksum against slips.

use zeroize::Zeroizing;

use crate::crypto::{Password, hash, random};

/// Crockford's base 32: no I, L, O or U.
const ALPHABET: &[u8; 32] = b"0123456789ABCDEFGHJKMNPQRSTVWXYZ";
const SYMBOLS: usize = 26;
const CHECK: usize = 2;

/// A recovery code, to be shown once.
pub struct RecoveryCode(Zeroizing<String>);

impl RecoveryCode {
    /// Draws a code.
    pub(super) fn generate() -> Self {
        let mut bytes = Zeroizing::new([0; SYMBOLS]);
        random::fill(&mut *bytes);
        // 256 is a multiple of 32, so every symbol is equally likely.
        let mut symbols: Zeroizing<String> =
            Zeroizing::new(bytes.iter().map(|byte| char::from(ALPHABET[usize::from(byte % 32)])).collect());
        let check = checksum(&symbols);
        symbols.push_str(&check);
        Self(symbols)
    }

    /// The code in groups of four, for a person.
    pub fn show(&self) -> Zeroizing<String> {
        let mut shown = Zeroizing::new(String::with_capacity(40));
        for (index, symbol) in self.0.chars().enumerate() {
            if index > 0 && index % 4 == 0 {
                shown.push('-');
            }
            shown.push(symbol);
        }
        shown
    }

    /// The password of the code's slot.
    pub(super) fn password(&self) -> Password {
        Password::new(self.0[..SYMBOLS].as_bytes().to_vec())
    }

    /// Reads what a person typed: any case, any grouping, with the look-alikes I, L and O taken for
    /// 1, 1 and 0. `None` when it is no code or the checksum says it was mistyped.
    pub fn parse(typed: &Password) -> Option<Self> {
        let text = std::str::from_utf8(typed.expose()).ok()?;
        let mut symbols = Zeroizing::new(String::with_capacity(SYMBOLS + CHECK));
        for symbol in text.chars() {
            match symbol.to_ascii_uppercase() {
                '-' | ' ' => {}
                'I' | 'L' => symbols.push('1'),
                'O' => symbols.push('0'),
                symbol if symbol.is_ascii() && ALPHABET.contains(&(symbol as u8)) => symbols.push(symbol),
                _ => return None,
            }
        }
        (symbols.len() == SYMBOLS + CHECK && symbols[SYMBOLS..] == checksum(&symbols[..SYMBOLS]))
            .then_some(Self(symbols))
    }
}

/// The first ten bits of a labelled hash, as two symbols.
fn checksum(symbols: &str) -> String {
    let digest = hash::labelled("convault/1/recovery", &[symbols.as_bytes()]);
    let bits = u16::from_be_bytes([digest[0], digest[1]]) >> 6;
    [bits >> 5, bits & 31].map(|index| char::from(ALPHABET[usize::from(index)])).iter().collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_code_is_read_back_however_it_is_typed() {
        let code = RecoveryCode::generate();
        let shown = code.show();
        assert_eq!(shown.len(), 34);
        for typed in [shown.to_string(), shown.to_lowercase(), shown.replace('-', " "), shown.replace('-', "")] {
            let back = RecoveryCode::parse(&Password::new(typed.into_bytes())).unwrap();
            assert_eq!(*back.0, *code.0);
        }
    }

    #[test]
    fn slips_and_passwords_are_no_codes() {
        let code = "0000-0000-0000-0000-0000-0000-00";
        let good = format!("{code}{}", checksum("00000000000000000000000000"));
        assert!(RecoveryCode::parse(&Password::new(good.clone().into_bytes())).is_some());
        assert!(RecoveryCode::parse(&Password::new(good.replacen('0', "O", 1).into_bytes())).is_some());
        for slip in [good.replacen('0', "7", 1), good[1..].to_owned(), "correct horse".to_owned(), String::new()] {
            assert!(RecoveryCode::parse(&Password::new(slip.into_bytes())).is_none());
        }
    }
}
