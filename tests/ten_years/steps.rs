//! What happens to a vault, in words that neither the library nor the model owns.

/// One thing that happens, and what the clock says then: microseconds.
#[derive(Clone, Debug)]
pub struct Event {
    pub now: i64,
    pub step: Step,
}

#[derive(Clone, Debug)]
pub enum Step {
    /// New conversations; before them leaf numbers that are handed out and never used.
    Import {
        skipped: u64,
        fresh: Vec<Fresh>,
    },
    /// The record at this leaf has gone on.
    Update {
        leaf: u64,
        active: i64,
    },
    Tag {
        name: u32,
        tag: u8,
        on: bool,
    },
    /// The owner writes down as marks what rules and holds ask of content.
    Compile,
    Hold {
        id: u8,
        about: Vec<Asked>,
    },
    Release {
        id: u8,
    },
    Policy(Law),
    Restore {
        name: u32,
        until: i64,
    },
    /// The janitor comes by. An owner who looked may go beyond the limits and a long gap.
    Run {
        acknowledged: bool,
        crash: Crash,
    },
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Crash {
    Never,
    /// Everything is prepared and nothing is committed.
    Before,
    /// It is committed, and whoever comes next does not know.
    After,
}

/// A segment as it comes in: a whole conversation (part 0) or a month of one.
#[derive(Clone, Debug)]
pub struct Fresh {
    pub name: u32,
    pub part: u32,
    pub source: u8,
    pub began: i64,
    pub active: i64,
    pub tags: Vec<u8>,
    pub attachments: u32,
}

#[derive(Clone, Debug)]
pub struct Law {
    pub grace_days: u32,
    pub share: u8,
    pub clauses: Vec<Clause>,
    pub default: Option<(Length, Reading)>,
}

#[derive(Clone, Debug)]
pub struct Clause {
    pub what: What,
    pub reading: Reading,
    pub about: Vec<Asked>,
}

#[derive(Clone, Copy, Debug)]
pub enum What {
    Keep(Length),
    Delete(Length),
    KeepLast(u32),
}

/// A number of hours `h`, days `d`, months `m` or years `y`.
#[derive(Clone, Copy, Debug)]
pub struct Length(pub u32, pub char);

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Reading {
    Active,
    Began,
    Imported,
}

#[derive(Clone, Debug)]
pub struct Asked {
    pub not: bool,
    pub ask: Ask,
}

#[derive(Clone, Debug)]
pub enum Ask {
    Source(u8),
    Attachment,
    Named(Vec<u32>),
    Tag(u8),
}
