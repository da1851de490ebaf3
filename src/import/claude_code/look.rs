//! What the beginning of a file shows: whether it is a log of this format, whose session, whose agent.

use super::record::bookkeeping;
use super::scan::{fields, string};
use crate::import::json::lines::lines;

/// Lines looked at: a log may begin with some that are damaged, or that name no session.
const LINES: usize = 24;

/// What a beginning shows.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Look {
    /// The first session a line names, as it is written.
    pub(super) session: Option<String>,
    /// It is the log of an agent that another session called.
    pub(super) is_agent: bool,
    /// What it was known by, in one lower-case clause.
    pub(super) shows: &'static str,
}

/// What of a line tells the format.
#[derive(Default)]
struct Facts<'a> {
    kind: &'a [u8],
    session: Option<&'a [u8]>,
    message: Option<&'a [u8]>,
    loglines: Option<&'a [u8]>,
    /// Fields that stand on every record of a conversation: one is enough beside a message.
    is_linked: bool,
    parent: bool,
    sidechain: Option<bool>,
    agent: bool,
    summary: u8,
    snapshot: u8,
    is_foreign: bool,
}

impl<'a> Facts<'a> {
    fn of(line: &'a [u8]) -> Self {
        let mut facts = Self::default();
        for (key, value) in fields(line) {
            match key {
                b"type" => facts.kind = string(value).unwrap_or_default(),
                b"sessionId" => (facts.session, facts.is_linked) = (string(value), true),
                b"uuid" | b"timestamp" => facts.is_linked = true,
                b"parentUuid" => (facts.parent, facts.is_linked) = (true, true),
                b"isSidechain" => (facts.sidechain, facts.is_linked) = (Some(value == b"true"), true),
                b"agentId" => facts.agent = true,
                b"message" => facts.message = Some(value),
                b"loglines" => facts.loglines = Some(value),
                b"summary" | b"leafUuid" => facts.summary += 1,
                b"messageId" | b"snapshot" => facts.snapshot += 1,
                // Qwen Code writes the first, the printed stream of `claude -p` the second.
                b"systemPayload" | b"session_id" => facts.is_foreign = true,
                _ => {}
            }
        }
        facts
    }

    fn shows(&self) -> Option<&'static str> {
        let speaks = matches!(self.kind, b"user" | b"assistant");
        let message = self.message.map(is_message);
        if self.is_foreign || (message == Some(false) && self.message.is_some_and(|value| value.starts_with(b"{"))) {
            return None;
        }
        if speaks && message == Some(true) && self.is_linked {
            return Some("records of `user` and `assistant` with a message");
        }
        if self.sidechain.is_some() && self.parent {
            return Some("records with `isSidechain` and `parentUuid`");
        }
        let is_bookkeeping = match self.kind {
            b"summary" => self.summary == 2,
            b"file-history-snapshot" => self.snapshot == 2,
            b"user" | b"assistant" | b"system" | b"attachment" => false,
            kind => self.session.is_some() && std::str::from_utf8(kind).is_ok_and(|kind| bookkeeping(kind).is_some()),
        };
        is_bookkeeping.then_some("records about a session")
    }
}

/// Whether a raw value is a message of the Messages API; Qwen's has `parts`.
fn is_message(value: &[u8]) -> bool {
    let mut speaks = false;
    for (key, value) in fields(value) {
        match key {
            b"parts" => return false,
            b"role" => speaks |= matches!(string(value), Some(b"user" | b"assistant")),
            b"content" => speaks = true,
            _ => {}
        }
    }
    speaks
}

/// Whether the beginning is that of a session of the web: one object with `loglines`.
pub(super) fn is_web(head: &[u8]) -> bool {
    let loglines = fields(head).find_map(|(key, value)| (key == b"loglines").then_some(value));
    loglines.is_some_and(|list| {
        let first = list.strip_prefix(b"[").unwrap_or_default();
        let facts = Facts::of(first);
        !facts.is_foreign && (facts.message.is_some_and(is_message) || facts.shows().is_some())
    })
}

/// Judges the beginning of a file; none when it is not of this format.
pub(super) fn look(head: &[u8]) -> Option<Look> {
    let mut found: Option<Look> = None;
    let mut session = None;
    for line in lines(head).take(LINES).filter(|line| line.is_object()) {
        let facts = Facts::of(line.bytes);
        if facts.loglines.is_some() && is_web(head) {
            return Some(Look { session: None, is_agent: false, shows: "an object with `loglines`" });
        }
        let own = facts.session.and_then(|session| std::str::from_utf8(session).ok());
        session = session.or_else(|| own.map(str::to_owned));
        if found.is_none() {
            let is_agent = facts.sidechain == Some(true) && facts.agent;
            found = facts.shows().map(|shows| Look { session: None, is_agent, shows });
        }
        if found.is_some() && session.is_some() {
            break;
        }
    }
    // A web session that was written with line breaks: no line of it is an object.
    if found.is_none() && is_web(head) {
        return Some(Look { session: None, is_agent: false, shows: "an object with `loglines`" });
    }
    found.map(|look| Look { session, ..look })
}
