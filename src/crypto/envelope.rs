//! HPKE (RFC 9180), base mode with X25519, HKDF-SHA256 and AES-256-GCM: sealing to a public key.

use hpke::aead::AesGcm256;
use hpke::kdf::HkdfSha256;
use hpke::kem::X25519HkdfSha256;
use hpke::{Deserializable, Kem as KemTrait, OpModeR, OpModeS, Serializable};
use zeroize::Zeroizing;

use super::seal::OpenError;
use super::secret::Secret;

type Kem = X25519HkdfSha256;

const ENCAPSULATED: usize = 32;

/// The secret half of an X25519 pair.
pub struct EnvelopeSecret(Secret<32>);

/// The public half, to which anyone can seal.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct EnvelopeKey(pub [u8; 32]);

impl EnvelopeSecret {
    /// Draws a fresh pair.
    pub fn generate() -> Self {
        Self(Secret::generate())
    }

    pub(crate) fn from_slice(bytes: &[u8]) -> Option<Self> {
        Secret::from_slice(bytes).map(Self)
    }

    pub(crate) fn expose(&self) -> &[u8; 32] {
        self.0.expose()
    }

    /// The same secret once more.
    #[cfg(test)]
    pub(crate) fn copy(&self) -> Self {
        Self::from_slice(self.expose()).expect("a secret has 32 bytes")
    }

    fn key(&self) -> <Kem as KemTrait>::PrivateKey {
        <Kem as KemTrait>::PrivateKey::from_bytes(self.0.expose()).expect("any 32 bytes are an X25519 secret")
    }

    /// The public half.
    pub fn public(&self) -> EnvelopeKey {
        EnvelopeKey(Kem::sk_to_pk(&self.key()).to_bytes().into())
    }

    /// Opens what was sealed to the public half with the same `info` and vault.
    pub fn open(&self, info: &str, vault: &[u8; 16], sealed: &[u8]) -> Result<Zeroizing<Vec<u8>>, OpenError> {
        let (encapsulated, ciphertext) = sealed.split_at_checked(ENCAPSULATED).ok_or(OpenError::Damaged)?;
        let encapsulated = <Kem as KemTrait>::EncappedKey::from_bytes(encapsulated).map_err(|_| OpenError::Damaged)?;
        let info = [info.as_bytes(), vault].concat();
        hpke::single_shot_open::<AesGcm256, HkdfSha256, Kem>(
            &OpModeR::Base,
            &self.key(),
            &encapsulated,
            &info,
            ciphertext,
            &[],
        )
        .map(Zeroizing::new)
        .map_err(|_| OpenError::Damaged)
    }
}

impl EnvelopeKey {
    /// Seals `plain` to this key. `None` when the key is no valid X25519 point.
    pub fn seal(&self, info: &str, vault: &[u8; 16], plain: &[u8]) -> Option<Vec<u8>> {
        let key = <Kem as KemTrait>::PublicKey::from_bytes(&self.0).ok()?;
        let info = [info.as_bytes(), vault].concat();
        let (encapsulated, ciphertext) =
            hpke::single_shot_seal::<AesGcm256, HkdfSha256, Kem>(&OpModeS::Base, &key, &info, plain, &[]).ok()?;
        Some([&encapsulated.to_bytes()[..], &ciphertext].concat())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn opens_only_with_the_secret_the_info_and_the_vault() {
        let secret = EnvelopeSecret::generate();
        let sealed = secret.public().seal("convault/1/bundle", &[1; 16], b"capabilities").unwrap();
        assert_eq!(&**secret.open("convault/1/bundle", &[1; 16], &sealed).unwrap(), b"capabilities");
        assert!(secret.open("convault/1/log", &[1; 16], &sealed).is_err());
        assert!(secret.open("convault/1/bundle", &[2; 16], &sealed).is_err());
        assert!(EnvelopeSecret::generate().open("convault/1/bundle", &[1; 16], &sealed).is_err());
        assert!(secret.open("convault/1/bundle", &[1; 16], &sealed[..31]).is_err());
    }
}
