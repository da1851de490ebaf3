//! What can be typed to read: `list`, `show`, `search`.

use clap::{Args, ValueEnum};

#[derive(Args)]
pub(in crate::cli) struct List {
    /// Which: source:chatgpt tag:work after:2026-01 title:budget … (docs/search.md); all without
    #[arg(value_name = "SELECTOR")]
    pub(in crate::cli) selector: Vec<String>,
    /// At most so many
    #[arg(long, value_name = "N")]
    pub(in crate::cli) limit: Option<usize>,
}

#[derive(Args)]
pub(in crate::cli) struct Show {
    /// The conversation's id, or the beginning of it (4 characters or more); ID#12 opens it at a message
    pub(in crate::cli) id: String,
    /// Hidden messages and abandoned branches too
    #[arg(long)]
    pub(in crate::cli) all: bool,
    /// Number the messages, as export --messages counts them
    #[arg(long)]
    pub(in crate::cli) numbers: bool,
    /// Do not page
    #[arg(long)]
    pub(in crate::cli) no_pager: bool,
}

#[derive(Args)]
pub(in crate::cli) struct Search {
    /// Words, "phrases", beginnings*, ~pieces, -not, from:alice role:assistant has:code, and selectors (docs/search.md)
    #[arg(required = true, value_name = "QUERY")]
    pub(in crate::cli) query: Vec<String>,
    /// Hidden messages and abandoned branches too
    #[arg(long)]
    pub(in crate::cli) all: bool,
    /// In which order
    #[arg(long, value_name = "ORDER", value_enum, default_value_t = SortBy::Relevance)]
    pub(in crate::cli) sort: SortBy,
    /// At most so many
    #[arg(long, value_name = "N", value_parser = at_least_one)]
    pub(in crate::cli) limit: Option<usize>,
    /// Show so many messages before and after each hit
    #[arg(long, value_name = "N", default_value_t = 0)]
    pub(in crate::cli) context: usize,
    /// Words and "phrases" are regular expressions, looked for in every text
    #[arg(long)]
    pub(in crate::cli) regex: bool,
    /// Letter case and accents have to be as typed
    #[arg(long)]
    pub(in crate::cli) case: bool,
    /// Do not page
    #[arg(long)]
    pub(in crate::cli) no_pager: bool,
}

fn at_least_one(typed: &str) -> Result<usize, String> {
    match typed.parse() {
        Ok(0) => Err("at least 1".to_owned()),
        other => other.map_err(|error: std::num::ParseIntError| error.to_string()),
    }
}

/// The order of hits.
#[derive(Clone, Copy, ValueEnum)]
pub(in crate::cli) enum SortBy {
    /// What answers best
    Relevance,
    /// The latest
    Time,
}
