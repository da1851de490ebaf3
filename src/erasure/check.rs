//! What is checked after an erasure, each by other means, and what each may claim.

use serde_json::{Value, json};

/// The result of a check. PASS is never said of what was not measured.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// Measured, and as it should be.
    Pass,
    /// Measured, and not as it should be.
    Fail,
    /// Not measured yet.
    Pending,
    /// Not measured.
    NotRun,
}

impl Verdict {
    /// The verdict's word.
    pub fn word(self) -> &'static str {
        match self {
            Self::Pass => "PASS",
            Self::Fail => "FAIL",
            Self::Pending => "PENDING",
            Self::NotRun => "NOT RUN",
        }
    }

    /// PASS when it holds, else FAIL.
    pub fn of(holds: bool) -> Self {
        if holds { Self::Pass } else { Self::Fail }
    }
}

/// A check and its result.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Outcome {
    /// Its name: `logical`, `cryptographic`, `physical`, `witnessed`.
    pub name: &'static str,
    /// Its result.
    pub verdict: Verdict,
    /// What it says, in one sentence without content.
    pub says: String,
    /// Bytes it read.
    pub bytes: u64,
    /// What it counted, by name.
    pub counts: Vec<(&'static str, u64)>,
}

impl Outcome {
    pub(super) fn json(&self) -> Value {
        let mut object =
            json!({ "name": self.name, "result": self.verdict.word(), "says": self.says, "bytes": self.bytes });
        if let Value::Object(object) = &mut object {
            object.extend(self.counts.iter().map(|(name, count)| ((*name).to_owned(), (*count).into())));
        }
        object
    }
}

/// All checks of an erasure.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Checks {
    /// In the order logical, cryptographic, physical, witnessed.
    pub list: Vec<Outcome>,
    /// The type of the file system that the vault file is on.
    pub file_system: String,
}

impl Checks {
    /// Whether everything that was run holds, and all that must be run was.
    pub fn pass(&self) -> bool {
        let must = ["logical", "cryptographic", "physical"];
        let passed = |name: &&str| self.list.iter().any(|one| one.name == *name && one.verdict == Verdict::Pass);
        must.iter().all(passed) && self.list.iter().all(|one| one.verdict != Verdict::Fail)
    }
}
