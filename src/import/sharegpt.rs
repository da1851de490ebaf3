//! ShareGPT: the shape in which data sets pass conversations on.
//!
//! `docs/formats/sharegpt.md` describes it; what is read is the same as for `messages`.

use super::generic::files::{self, Shape};
use super::generic::{self, has_role};
use super::json::outline::Outline;
use super::{Context, Emit, Evidence, Importer, Parsed, Sample, Unit, Unread};
use crate::bundle::{Bundle, BundleError};

/// The format.
pub struct Format;

impl Importer for Format {
    fn name(&self) -> &'static str {
        "sharegpt"
    }

    fn about(&self) -> &'static str {
        "ShareGPT data sets: JSON or JSON Lines with conversations of from and value"
    }

    fn keeps(&self) -> &'static str {
        "roles, hidden system messages, tool calls and results, ids, titles and times where given"
    }

    fn loses(&self) -> &'static str {
        "ids of messages and times, often the id of the conversation; then what is said tells which one it is"
    }

    fn probe(&self, sample: &Sample) -> Option<Evidence> {
        files::evidence(sample, judge)
    }

    fn prepare(&self, bundle: &Bundle) -> Result<Context, BundleError> {
        files::survey(bundle, judge)
    }

    fn split(&self, bundle: &Bundle, context: &Context, emit: Emit<'_>) -> Result<(), BundleError> {
        files::split(bundle, context, emit)
    }

    fn parse(&self, context: &Context, unit: &Unit) -> Result<Parsed, Unread> {
        generic::parse(context, unit)
    }
}

fn judge(outline: &Outline, head: &[u8]) -> Option<Shape> {
    for top in ["", "[]/"] {
        for list in ["conversations", "conversation", "items"] {
            let has = |field: &str| outline.has(&format!("{top}{list}/[]/{field}"));
            if has("from") && (has("value") || has("text") || has("content")) && has_role(head, "from") {
                return Some(Shape::Conversations("`conversations` with `from` and `value`"));
            }
            if has("role") && (has("content") || has("value")) && list == "conversations" && has_role(head, "role") {
                return Some(Shape::Conversations("`conversations` with `role` and `content`"));
            }
        }
    }
    None
}
