//! Finds the one format a bundle is of, from the first bytes of its members.

use std::collections::HashMap;

use super::json::outline::Outline;
use super::{FORMATS, Importer};
use crate::bundle::{Bundle, BundleError};

/// Bytes of a member a probe may look at. A conversation names its author well before.
pub(super) const HEAD: usize = 64 << 10;
/// Bytes looked at to tell text from pictures before the rest of the head is read.
const FIRST: usize = 512;
/// Members sampled of each extension, those nearest to the top: a folder of ten thousand logs is known
/// by a few of them.
const FIRST_OF_EXTENSION: usize = 48;
/// Members sampled of each extension beside those, the largest: an export's own file may stand behind
/// hundreds of uploads.
const LARGEST_OF_EXTENSION: usize = 8;
/// Bytes of all heads together.
const ALL_HEADS: usize = 8 << 20;

/// The beginning of a member.
pub struct Head<'a> {
    /// Index of the member.
    pub member: usize,
    /// Its name in the bundle.
    pub name: &'a str,
    /// Its first bytes.
    pub bytes: Vec<u8>,
    /// The JSON key paths in them, when they begin like JSON.
    pub outline: Option<Outline>,
}

/// What a probe sees of a bundle.
pub struct Sample<'a> {
    /// The bundle: its list of members, and more bytes for a probe that needs them.
    pub bundle: &'a Bundle,
    /// The beginnings of some members, in the bundle's order.
    pub heads: Vec<Head<'a>>,
}

impl<'a> Sample<'a> {
    /// Reads the beginnings.
    pub fn of(bundle: &'a Bundle) -> Result<Self, BundleError> {
        let all: Vec<usize> = (0..bundle.members().len()).collect();
        Self::among(bundle, chosen(bundle, &all))
    }

    /// The same of these members.
    fn among(bundle: &'a Bundle, members: Vec<usize>) -> Result<Self, BundleError> {
        let mut budget = ALL_HEADS;
        let mut heads = Vec::new();
        for member in members {
            let Some(listed) = bundle.members().get(member).filter(|_| budget > 0) else { break };
            // A member that cannot be read is no evidence; splitting will say what is wrong with it.
            let Some(bytes) = readable(bundle.head(member, FIRST))? else { continue };
            let is_text = !bytes.contains(&0) || bytes.starts_with(b"SQLite format 3\0");
            let bytes = match is_text {
                true => readable(bundle.head(member, HEAD.min(budget)))?.unwrap_or(bytes),
                false => bytes,
            };
            budget = budget.saturating_sub(bytes.len());
            let outline = Outline::of(&bytes);
            heads.push(Head { member, name: &listed.name, bytes, outline });
        }
        Ok(Self { bundle, heads })
    }
}

/// Which of `members` to sample, in the bundle's order.
fn chosen(bundle: &Bundle, members: &[usize]) -> Vec<usize> {
    let mut by_extension: HashMap<String, Vec<usize>> = HashMap::new();
    for (index, member) in members.iter().filter_map(|index| Some((*index, bundle.members().get(*index)?))) {
        by_extension.entry(member.extension()).or_default().push(index);
    }
    let depth = |index: &usize| bundle.members().get(*index).map_or(0, |member| member.name.matches('/').count());
    let size = |index: &usize| bundle.members().get(*index).and_then(|member| member.size_declared).unwrap_or(0);
    let mut chosen = Vec::new();
    for mut list in by_extension.into_values() {
        list.sort_by_key(depth);
        let mut rest = list.split_off(list.len().min(FIRST_OF_EXTENSION));
        chosen.append(&mut list);
        rest.sort_by_key(|index| std::cmp::Reverse(size(index)));
        chosen.extend(rest.into_iter().take(LARGEST_OF_EXTENSION));
    }
    chosen.sort_unstable();
    chosen
}

/// Keeps a refusal of the whole bundle an error and makes any other failure `None`.
pub(super) fn readable<T>(result: Result<T, BundleError>) -> Result<Option<T>, BundleError> {
    match result {
        Ok(value) => Ok(Some(value)),
        Err(error) if error.is_refusal() => Err(error),
        Err(_) => Ok(None),
    }
}

/// Why a bundle is taken for a format.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Evidence {
    /// The member that shows it.
    pub member: usize,
    /// What it shows, in one lower-case clause without content.
    pub shows: &'static str,
}

/// A format and its evidence.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Candidate {
    /// The word for `--format`.
    pub format: &'static str,
    /// Name of the member that shows it.
    pub member: String,
    /// What it shows.
    pub shows: &'static str,
}

/// Why no format was settled on.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum DetectError {
    /// The bundle cannot be read.
    #[error(transparent)]
    Bundle(#[from] BundleError),
    /// No format knows it.
    #[error("cannot tell the format: nothing here looks like a known export")]
    Unknown,
    /// Several formats claim it.
    #[error("cannot tell the format: {}", list(.0))]
    Ambiguous(Vec<Candidate>),
}

impl DetectError {
    /// What the user can do, on a line of its own.
    pub fn hint(&self) -> Option<String> {
        match self {
            Self::Bundle(_) => None,
            Self::Unknown => Some("--format opaque keeps the file sealed as it is".to_owned()),
            Self::Ambiguous(candidates) => {
                let words: Vec<_> =
                    candidates.iter().map(|candidate| format!("--format {}", candidate.format)).collect();
                Some(format!("say which: {}", words.join(" or ")))
            }
        }
    }
}

fn list(candidates: &[Candidate]) -> String {
    let claims = candidates.iter().map(|c| format!("{} ({}: {})", c.format, c.member, c.shows));
    claims.collect::<Vec<_>>().join(", ")
}

/// Finds the format among all there are.
pub fn detect(bundle: &Bundle) -> Result<(&'static dyn Importer, Candidate), DetectError> {
    detect_among(FORMATS, bundle)
}

/// Finds all formats a folder holds: each is shown by a file of its own. Two that claim one file are an error.
pub fn detect_all(bundle: &Bundle) -> Result<Vec<&'static dyn Importer>, DetectError> {
    let claims = claims(FORMATS, &Sample::of(bundle)?);
    if claims.is_empty() {
        return Err(DetectError::Unknown);
    }
    unrivalled(claims)
}

/// Samples looked at among the members that no format took.
const MORE_SAMPLES: usize = 64;

/// Finds formats beside those `known` among the members of a folder that none of these took: a folder is known by
/// some of its files, and a format may have a single one deep in it. None when nothing more is found.
pub fn detect_more(
    bundle: &Bundle,
    members: &[usize],
    known: &[&str],
) -> Result<Vec<&'static dyn Importer>, DetectError> {
    let formats: Vec<_> = FORMATS.iter().copied().filter(|format| !known.contains(&format.name())).collect();
    let mut rest = members.to_vec();
    for _ in 0..MORE_SAMPLES {
        if rest.is_empty() {
            break;
        }
        let chosen = chosen(bundle, &rest);
        rest.retain(|member| chosen.binary_search(member).is_err());
        let claims = claims(&formats, &Sample::among(bundle, chosen)?);
        if !claims.is_empty() {
            return unrivalled(claims);
        }
    }
    Ok(Vec::new())
}

fn unrivalled(claims: Vec<(&'static dyn Importer, Candidate)>) -> Result<Vec<&'static dyn Importer>, DetectError> {
    let rivals: Vec<Candidate> = claims
        .iter()
        .map(|(_, one)| one)
        .filter(|one| claims.iter().any(|(_, other)| other.format != one.format && other.member == one.member))
        .cloned()
        .collect();
    match rivals.is_empty() {
        true => Ok(claims.into_iter().map(|(format, _)| format).collect()),
        false => Err(DetectError::Ambiguous(rivals)),
    }
}

/// Finds the one format of `formats` the bundle is of. Two claims are an error: guessing would file a
/// stranger's words under the wrong names.
pub fn detect_among<'f>(
    formats: &[&'f dyn Importer],
    bundle: &Bundle,
) -> Result<(&'f dyn Importer, Candidate), DetectError> {
    let mut claims = claims(formats, &Sample::of(bundle)?);
    match claims.len() {
        0 => Err(DetectError::Unknown),
        1 => claims.pop().ok_or(DetectError::Unknown),
        _ => Err(DetectError::Ambiguous(claims.into_iter().map(|(_, candidate)| candidate).collect())),
    }
}

/// Every format that claims the bundle.
fn claims<'f>(formats: &[&'f dyn Importer], sample: &Sample<'_>) -> Vec<(&'f dyn Importer, Candidate)> {
    let claim = |format: &&'f dyn Importer| {
        let Evidence { member, shows } = format.probe(sample)?;
        let member = sample.bundle.members().get(member).map(|member| member.name.clone()).unwrap_or_default();
        Some((*format, Candidate { format: format.name(), member, shows }))
    };
    formats.iter().filter_map(claim).collect()
}
