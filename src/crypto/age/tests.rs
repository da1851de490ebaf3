//! Tests of age files: what was written opens, and what was changed is told from what was locked.
#![cfg(feature = "age")]

use std::io::{Cursor, Read, Seek, SeekFrom, Write};

use age::armor::{ArmoredWriter, Format};
use age::secrecy::ExposeSecret;
use age::x25519;

use super::*;
use crate::crypto::Password;

/// Bytes of a chunk, and of one that is sealed.
const CHUNK: usize = 64 << 10;
const SEALED: usize = CHUNK + 16;

fn password(text: &str) -> Password {
    Password::new(text.as_bytes().to_vec())
}

/// A new identity: as a file has it, and its recipient as it is typed.
fn keys() -> (Identities, String) {
    let identity = x25519::Identity::generate();
    let file = format!("# created: never\n# public key\n\n{}\r\n", identity.to_string().expose_secret());
    (Identities::read(&password(&file)).unwrap(), identity.to_public().to_string())
}

fn recipients(texts: &[&str]) -> Vec<Recipient> {
    texts.iter().map(|text| Recipient::parse(text).unwrap()).collect()
}

fn bytes(length: usize) -> Vec<u8> {
    (0..length).map(|n| (n.wrapping_mul(2_654_435_761) >> 7) as u8).collect()
}

fn encrypted(plain: &[u8], to: &[&str]) -> Vec<u8> {
    let mut encryptor = Encryptor::to_recipients(Vec::new(), &recipients(to)).unwrap();
    for piece in plain.chunks(10_007) {
        encryptor.write_all(piece).unwrap();
    }
    encryptor.finish().unwrap()
}

fn open(file: &[u8], identities: &Identities) -> Result<Reader<Cursor<Vec<u8>>>, AgeError> {
    Opener::read(Cursor::new(file.to_vec()))?.with_identities(identities)
}

fn refused(file: &[u8], identities: &Identities) -> String {
    open(file, identities).err().map(|error| error.to_string()).unwrap_or_default()
}

/// Everything, or what was read and then refused.
fn read(file: &[u8], identities: &Identities) -> Result<Vec<u8>, String> {
    let mut plain = Vec::new();
    let mut reader = open(file, identities).map_err(|error| error.to_string())?;
    match reader.read_to_end(&mut plain) {
        Ok(_) => Ok(plain),
        Err(error) => {
            assert_eq!(error.kind(), io::ErrorKind::InvalidData);
            assert!(error.get_ref().is_some_and(|inner| inner.is::<AgeError>()));
            // It stays.
            assert!(reader.read(&mut [0]).is_err());
            Err(error.to_string())
        }
    }
}

/// Where the header and its nonce end.
fn payload(file: &[u8]) -> usize {
    let mac = file.windows(5).position(|window| window == b"\n--- ").unwrap() + 1;
    mac + file[mac..].iter().position(|byte| *byte == b'\n').unwrap() + 1 + 16
}

#[test]
fn what_is_written_opens_at_every_edge_of_a_chunk_and_for_every_recipient() {
    let ((first, one), (second, two), (stranger, _)) = (keys(), keys(), keys());
    for length in [0, 1, CHUNK - 1, CHUNK, CHUNK + 1, 2 * CHUNK, 3 * CHUNK + 5] {
        let plain = bytes(length);
        let file = encrypted(&plain, &[&one, &two]);
        assert!(is_age(&file[..HEAD]));
        for identities in [&first, &second] {
            assert_eq!(open(&file, identities).unwrap().length(), length as u64);
            assert!(read(&file, identities).unwrap() == plain, "{length}");
        }
        assert_eq!(refused(&file, &stranger), "no identity that was given opens the age file");
    }
    let mut both = stranger;
    both.append(second);
    assert_eq!(read(&encrypted(b"x", &[&two]), &both).unwrap(), b"x");
}

#[test]
fn it_is_read_from_any_place_on() {
    let (identities, to) = keys();
    for length in [0, 5, CHUNK, 2 * CHUNK, 3 * CHUNK + 5] {
        let plain = bytes(length);
        let file = encrypted(&plain, &[&to]);
        let mut reader = open(&file, &identities).unwrap();
        // Beyond the end, on both sides of every edge, forwards and back again.
        let places =
            [0, 4, CHUNK - 1, CHUNK, CHUNK + 1, length, length + 1, length + CHUNK, 3, 2 * CHUNK, length / 2, 0];
        for place in places {
            reader.seek(SeekFrom::Start(place as u64)).unwrap();
            let mut got = Vec::new();
            reader.by_ref().take(70_000).read_to_end(&mut got).unwrap();
            let expected = &plain[place.min(length)..length.min(place + 70_000)];
            assert!(got == expected, "{length} from {place}");
        }
        assert_eq!(reader.seek(SeekFrom::End(-1)).is_ok(), length > 0);
        assert_eq!(reader.seek(SeekFrom::End(0)).unwrap(), length as u64);
        assert_eq!(reader.seek(SeekFrom::Current(-(length as i64))).unwrap(), 0);
        assert!(reader.seek(SeekFrom::Current(-1)).is_err());
    }
}

#[test]
fn an_armored_file_opens_too() {
    let (identities, to) = keys();
    let plain = bytes(2 * CHUNK + 9);
    let mut armor = ArmoredWriter::wrap_output(Vec::new(), Format::AsciiArmor).unwrap();
    armor.write_all(&encrypted(&plain, &[&to])).unwrap();
    let armored = armor.finish().unwrap();
    assert!(is_age(&armored[..HEAD]));
    assert!(read(&armored, &identities).unwrap() == plain);
    let mut reader = open(&armored, &identities).unwrap();
    reader.seek(SeekFrom::Start(CHUNK as u64 + 1)).unwrap();
    let mut rest = Vec::new();
    reader.read_to_end(&mut rest).unwrap();
    assert!(rest == plain[CHUNK + 1..]);
    // Cut in the middle, or with a stranger's text behind it.
    assert_eq!(refused(&armored[..armored.len() / 2], &identities), "the age file is damaged");
    assert_eq!(refused(&[&armored[..], b"more"].concat(), &identities), "the age file is damaged");
}

#[test]
fn every_damage_is_an_error_and_never_a_shorter_file() {
    let (identities, to) = keys();
    for length in [3 * CHUNK + 100, 3 * CHUNK] {
        let file = encrypted(&bytes(length), &[&to]);
        let start = payload(&file);
        let flipped = |at: usize| {
            let mut copy = file.clone();
            copy[at] ^= 1;
            read(&copy, &identities).unwrap_err()
        };
        assert_eq!(flipped(start + 5), "the age file is damaged");
        assert_eq!(flipped(start + SEALED + 5), "the age file is damaged");
        assert_eq!(flipped(file.len() - 1), "the age file is damaged: its end");
        // The MAC over the header; its nonce, of which the key is made.
        assert_eq!(flipped(start - 30), "the age file is damaged: its header");
        let mut no_base64 = file.clone();
        no_base64[start - 30] = b'!';
        assert_eq!(read(&no_base64, &identities).unwrap_err(), "the age file is damaged: its header");
        assert_eq!(flipped(start - 1), "the age file is damaged: its end");
        for cut in [file.len() - 1, start + 2 * SEALED, start + SEALED, start + SEALED + 7, start] {
            assert_eq!(read(&file[..cut], &identities).unwrap_err(), "the age file is damaged: its end", "{cut}");
        }
        assert_eq!(read(&file[..start - 1], &identities).unwrap_err(), "the age file is damaged: its header");
        assert_eq!(read(&file[..30], &identities).unwrap_err(), "the age file is damaged: its header");
        let longer = [&file[..], &[0]].concat();
        assert_eq!(read(&longer, &identities).unwrap_err(), "the age file is damaged: its end");
        let mut swapped = file.clone();
        swapped[start..start + 2 * SEALED].rotate_left(SEALED);
        assert_eq!(read(&swapped, &identities).unwrap_err(), "the age file is damaged");
        let without = [&file[..start + SEALED], &file[start + 2 * SEALED..]].concat();
        assert_eq!(read(&without, &identities).unwrap_err(), "the age file is damaged: its end");
    }
}

#[test]
fn every_flipped_byte_of_a_small_file_is_refused() {
    let (identities, to) = keys();
    let file = encrypted(b"a short secret", &[&to]);
    for at in 0..file.len() {
        let mut copy = file.clone();
        copy[at] ^= 1;
        assert!(read(&copy, &identities).is_err(), "byte {at}");
        assert!(read(&file[..at], &identities).is_err(), "cut at {at}");
    }
}

#[test]
fn a_file_that_was_not_finished_is_cut_off() {
    let (identities, to) = keys();
    let mut file = Vec::new();
    let mut encryptor = Encryptor::to_recipients(&mut file, &recipients(&[&to])).unwrap();
    encryptor.write_all(&bytes(CHUNK + 1)).unwrap();
    drop(encryptor);
    assert_eq!(read(&file, &identities).unwrap_err(), "the age file is damaged: its end");
}

#[test]
fn a_passphrase_opens_and_another_does_not() {
    let (identities, to) = keys();
    let mut encryptor = Encryptor::under_passphrase(Vec::new(), &password("correct horse")).unwrap();
    encryptor.write_all(b"hello").unwrap();
    let file = encryptor.finish().unwrap();
    let work = String::from_utf8_lossy(&file).lines().nth(1).unwrap().rsplit(' ').next().unwrap().to_owned();
    assert_eq!(work, "18");
    let opener = || Opener::read(Cursor::new(file.clone())).unwrap();
    assert!(opener().needs_passphrase());
    let mut plain = String::new();
    opener().with_passphrase(&password("correct horse")).unwrap().read_to_string(&mut plain).unwrap();
    assert_eq!(plain, "hello");
    let wrong = opener().with_passphrase(&password("correct hors"));
    assert!(matches!(wrong, Err(AgeError::WrongPassphrase)));
    assert!(matches!(opener().with_identities(&identities), Err(AgeError::NeedsPassphrase)));
    let other = Opener::read(Cursor::new(encrypted(b"", &[&to]))).unwrap();
    assert!(!other.needs_passphrase());
    assert!(matches!(other.with_passphrase(&password("x")), Err(AgeError::NeedsIdentity)));

    let refused = |bytes: &[u8]| Encryptor::under_passphrase(Vec::new(), &Password::new(bytes.to_vec())).err();
    assert!(matches!(refused(b""), Some(AgeError::EmptyPassphrase)));
    assert!(matches!(refused(b"\xff"), Some(AgeError::PassphraseNotText)));
    assert!(matches!(Encryptor::to_recipients(Vec::new(), &[]).err(), Some(AgeError::NoRecipient)));
}

/// A header with this work factor; the key in it is of nobody.
fn under_work(work: &str) -> Vec<u8> {
    let body = "A".repeat(43);
    let salt = "A".repeat(22);
    format!("age-encryption.org/v1\n-> scrypt {salt} {work}\n{body}\n--- {body}\n{}", "x".repeat(64)).into_bytes()
}

#[test]
fn a_hostile_work_factor_costs_nothing() {
    for (work, wanted) in
        [("21", "1 GiB"), ("22", "1 GiB"), ("63", "1 GiB"), ("64", "1 GiB"), ("99", "1 GiB"), ("018", "header")]
    {
        let began = std::time::Instant::now();
        let refused = Opener::read(Cursor::new(under_work(work))).unwrap().with_passphrase(&password("x"));
        let refused = refused.err().unwrap().to_string();
        assert!(refused.contains(wanted), "{work}: {refused}");
        assert!(began.elapsed() < std::time::Duration::from_secs(2));
    }
    // One that is allowed is tried.
    let tried = Opener::read(Cursor::new(under_work("10"))).unwrap().with_passphrase(&password("x"));
    assert!(matches!(tried, Err(AgeError::WrongPassphrase)));
}

#[test]
fn what_is_no_age_file_or_has_no_bounds_is_refused() {
    let refused = |bytes: &[u8]| Opener::read(Cursor::new(bytes.to_vec())).err().unwrap().to_string();
    assert_eq!(refused(b""), "not an age file");
    assert_eq!(refused(b"{\"schema\":1}\n"), "not an age file");
    assert_eq!(refused(b"age-encryption.org/v2\n-> x\n\n--- x\n"), "an age file of another version than v1");
    assert_eq!(refused(b"age-encryption.org/v1\n"), "the age file is damaged: its header");
    let endless = [b"age-encryption.org/v1\n".as_slice(), &b"-> x y\n\n".repeat(20_000)].concat();
    assert_eq!(refused(&endless), "refused: the header of the age file is larger than 65536 bytes");
    assert_eq!(refused(b"-----BEGIN AGE ENCRYPTED FILE-----\nnonsense\n"), "the age file is damaged");
    // Many recipients are no attack.
    let (identities, to) = keys();
    let many: Vec<String> = (0..200).map(|_| keys().1).chain([to]).collect();
    let many: Vec<&str> = many.iter().map(String::as_str).collect();
    assert_eq!(read(&encrypted(b"x", &many), &identities).unwrap(), b"x");
}

#[test]
fn recipients_of_other_kinds_are_named_and_secrets_are_not_repeated() {
    let identity = x25519::Identity::generate();
    let secret = identity.to_string().expose_secret().to_owned();
    let refused = |text: &str| Recipient::parse(text).err().unwrap().to_string();
    for text in [secret.clone(), secret.to_lowercase(), format!(" {secret}\n"), format!("# x\n{secret}")] {
        let said = refused(&text);
        assert_eq!(said, "an identity was given in the place of a recipient: it is secret");
    }
    let ssh = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIJ8yFhX0Vw me@here";
    assert_eq!(refused(ssh), "not an age recipient: keys of SSH are not supported");
    let plugin = "age1yubikey1qwt50d05nh5vutpdzmlg5wn80xq5negm4uj9ghv0snvdd3yysf5yw3rhl3t";
    assert_eq!(refused(plugin), "not an age recipient of the kind X25519: age1yubikey1… is not supported");
    assert_eq!(refused("age1pq1qqqq"), "not an age recipient of the kind X25519: age1pq1… is not supported");
    for nothing in ["", "age1", "age1qqqq", "hunter2", "age1\u{1b}[31m1x", "me@example.org"] {
        assert_eq!(refused(nothing), "not an age recipient", "{nothing}");
    }
    let to = identity.to_public().to_string();
    let mistyped = to.replace(&to[10..11], if &to[10..11] == "q" { "p" } else { "q" });
    assert_eq!(refused(&mistyped), "not an age recipient");
    assert_eq!(Recipient::parse(&format!("{to}\n")).unwrap().to_string(), to);
}

#[test]
fn an_identity_file_is_told_from_everything_else() {
    let refused = |text: &str| Identities::read(&password(text)).err().unwrap().to_string();
    let to = x25519::Identity::generate().to_public().to_string();
    assert_eq!(refused(""), "the age identity file has no identity in it");
    assert_eq!(refused("# only a comment"), "the age identity file has no identity in it");
    assert_eq!(refused("# x\nhunter2"), "not an age identity file: line 2 is no identity");
    assert_eq!(refused(&to), "not an age identity file: line 1 is a recipient");
    assert_eq!(
        refused("AGE-PLUGIN-YUBIKEY-1GRSQYZ"),
        "an age identity of a kind that is not supported: line 1 is not of the kind X25519"
    );
    let ssh = "-----BEGIN OPENSSH PRIVATE KEY-----\nb3BlbnNz\n";
    assert_eq!(refused(ssh), "not an age identity file: keys of SSH are not supported");
    let encrypted = "the age identity file is encrypted itself, which is not supported";
    assert_eq!(refused("age-encryption.org/v1\n-> scrypt"), encrypted);
    assert_eq!(refused("-----BEGIN AGE ENCRYPTED FILE-----\n"), encrypted);
    assert!(Identities::default().is_empty());
}
