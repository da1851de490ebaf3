//! The texts of policies and hold lists: JSON that a janitor reads, without anything a conversation says or is called.

use serde::{Deserialize, Serialize};

use super::{hex, unhex};
use crate::clock::{Duration, Instant, Unit};
use crate::retention::{Action, Breaker, Clock, Condition, Feature, Hold, Policy, Rule, Test};

const POLICY: &str = "convault.policy/1";
const HOLDS: &str = "convault.holds/1";

/// What a hold is for, in the owner's words.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct HoldNote {
    /// Why.
    pub reason: String,
    /// What it holds, as it was typed.
    pub selector: String,
}

/// A hold with its note.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NotedHold {
    /// The hold.
    pub hold: Hold,
    /// What it is for.
    pub note: HoldNote,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct PolicyText {
    schema: String,
    set: i64,
    effective: i64,
    grace: Duration,
    max_share: u8,
    max_segments: u64,
    #[serde(skip_serializing_if = "Option::is_none", default)]
    log: Option<Duration>,
    rules: Vec<RuleText>,
    #[serde(skip_serializing_if = "Option::is_none", default)]
    default: Option<DefaultText>,
    restored: Vec<RestoredText>,
    written: String,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct RuleText {
    action: String,
    #[serde(skip_serializing_if = "Option::is_none", default)]
    length: Option<Duration>,
    #[serde(skip_serializing_if = "Option::is_none", default)]
    count: Option<u32>,
    clock: String,
    conditions: Vec<ConditionText>,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct DefaultText {
    length: Duration,
    clock: String,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct RestoredText {
    conversation: String,
    until: i64,
}

#[derive(Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct ConditionText {
    #[serde(skip_serializing_if = "Option::is_none", default)]
    not: Option<bool>,
    #[serde(skip_serializing_if = "Option::is_none", default)]
    source: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none", default)]
    has: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none", default)]
    conversations: Option<Vec<String>>,
    #[serde(skip_serializing_if = "Option::is_none", default)]
    content: Option<String>,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct HoldsText {
    schema: String,
    holds: Vec<HoldText>,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct HoldText {
    id: String,
    placed: i64,
    #[serde(skip_serializing_if = "Option::is_none", default)]
    released: Option<i64>,
    conditions: Vec<ConditionText>,
    note: String,
}

impl ConditionText {
    fn of(condition: &Condition) -> Self {
        let ids = |ids: &[[u8; 16]]| Some(ids.iter().map(|id| hex(id)).collect());
        let not = condition.negated.then_some(true);
        match &condition.test {
            Test::Source(source) => Self { not, source: Some(source.clone()), ..Self::default() },
            Test::Has(Feature::Attachment) => Self { not, has: Some("attachment".to_owned()), ..Self::default() },
            Test::Conversation(all) => Self { not, conversations: ids(all), ..Self::default() },
            Test::Content(mark) => Self { not, content: Some(hex(mark)), ..Self::default() },
        }
    }

    fn read(self) -> Option<Condition> {
        let ids = |ids: Vec<String>| ids.iter().map(|id| unhex(id)).collect::<Option<Vec<[u8; 16]>>>();
        let negated = self.not.unwrap_or(false);
        let test = match (self.source, self.has.as_deref(), self.conversations, self.content) {
            (Some(source), None, None, None) => Test::Source(source),
            (None, Some("attachment"), None, None) => Test::Has(Feature::Attachment),
            (None, None, Some(all), None) => Test::Conversation(ids(all)?),
            (None, None, None, Some(mark)) => Test::Content(unhex(&mark)?),
            _ => return None,
        };
        Some(Condition { negated, test })
    }
}

fn read_conditions(texts: Vec<ConditionText>) -> Option<Vec<Condition>> {
    texts.into_iter().map(ConditionText::read).collect()
}

impl RuleText {
    fn of(rule: &Rule) -> Self {
        let (action, length, count) = match rule.action {
            Action::Keep(length) => ("keep", Some(length), None),
            Action::Delete(length) => ("delete", Some(length), None),
            Action::KeepLast(count) => ("keep-last", None, Some(count)),
        };
        let conditions = rule.conditions.iter().map(ConditionText::of).collect();
        Self { action: action.to_owned(), length, count, clock: rule.clock.word().to_owned(), conditions }
    }

    fn read(self) -> Option<Rule> {
        let action = match (self.action.as_str(), self.length, self.count) {
            ("keep", Some(length), None) => Action::Keep(length),
            ("delete", Some(length), None) => Action::Delete(length),
            ("keep-last", None, Some(count)) => Action::KeepLast(count),
            _ => return None,
        };
        Some(Rule { action, clock: Clock::of_word(&self.clock)?, conditions: read_conditions(self.conditions)? })
    }
}

/// Reads a policy, and the sealed words of its owner. An empty text is the policy that keeps everything.
pub(super) fn read_policy(version: u64, text: &str) -> Option<(Policy, Vec<u8>)> {
    if text.is_empty() {
        let beginning = Instant(i64::MIN);
        let policy = Policy {
            version,
            set: beginning,
            effective: beginning,
            grace: Duration::new(7, Unit::Day)?,
            breaker: Breaker::default(),
            log: None,
            rules: Vec::new(),
            default: None,
            restored: Vec::new(),
        };
        return Some((policy, Vec::new()));
    }
    let text: PolicyText = serde_json::from_str(text).ok()?;
    let restored = text.restored.iter().map(|one| Some((unhex(&one.conversation)?, Instant(one.until))));
    let default = match text.default {
        Some(default) => Some((default.length, Clock::of_word(&default.clock)?)),
        None => None,
    };
    let policy = Policy {
        version,
        set: Instant(text.set),
        effective: Instant(text.effective),
        grace: text.grace,
        breaker: Breaker { share: text.max_share, segments: text.max_segments },
        log: text.log,
        restored: restored.collect::<Option<_>>()?,
        rules: text.rules.into_iter().map(RuleText::read).collect::<Option<_>>()?,
        default,
    };
    (text.schema == POLICY).then_some((policy, unhex_all(&text.written)?))
}

/// Writes a policy with the sealed words of its owner.
pub(super) fn write_policy(policy: &Policy, written: Vec<u8>) -> String {
    let restored =
        |(conversation, until): &([u8; 16], Instant)| RestoredText { conversation: hex(conversation), until: until.0 };
    let text = PolicyText {
        schema: POLICY.to_owned(),
        set: policy.set.0,
        effective: policy.effective.0,
        grace: policy.grace,
        max_share: policy.breaker.share,
        max_segments: policy.breaker.segments,
        log: policy.log,
        rules: policy.rules.iter().map(RuleText::of).collect(),
        default: policy.default.map(|(length, clock)| DefaultText { length, clock: clock.word().to_owned() }),
        restored: policy.restored.iter().map(restored).collect(),
        written: hex(&written),
    };
    serde_json::to_string(&text).expect("texts and numbers are valid JSON")
}

/// Reads a hold list; `unseal` opens its notes.
pub(super) fn read_holds<T>(text: &str, unseal: impl Fn(&[u8]) -> Option<T>) -> Option<Vec<(Hold, T)>> {
    if text.is_empty() {
        return Some(Vec::new());
    }
    let text: HoldsText = serde_json::from_str(text).ok()?;
    let read = |one: HoldText| {
        let note = unseal(&unhex_all(&one.note)?)?;
        let (placed, released) = (Instant(one.placed), one.released.map(Instant));
        let hold = Hold { id: unhex(&one.id)?, placed, released, conditions: read_conditions(one.conditions)? };
        Some((hold, note))
    };
    if text.schema == HOLDS { text.holds.into_iter().map(read).collect() } else { None }
}

/// Writes a hold list; `seal` seals its notes.
pub(super) fn write_holds(holds: &[NotedHold], seal: impl Fn(&HoldNote) -> Vec<u8>) -> String {
    let text = |NotedHold { hold, note }: &NotedHold| HoldText {
        id: hex(&hold.id),
        placed: hold.placed.0,
        released: hold.released.map(|at| at.0),
        conditions: hold.conditions.iter().map(ConditionText::of).collect(),
        note: hex(&seal(note)),
    };
    let text = HoldsText { schema: HOLDS.to_owned(), holds: holds.iter().map(text).collect() };
    serde_json::to_string(&text).expect("texts and numbers are valid JSON")
}

fn unhex_all(digits: &str) -> Option<Vec<u8>> {
    let (pairs, rest) = digits.as_bytes().as_chunks::<2>();
    let byte = |pair: &[u8; 2]| unhex::<1>(std::str::from_utf8(pair).ok()?).map(|[byte]| byte);
    if rest.is_empty() { pairs.iter().map(byte).collect() } else { None }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn policy() -> Policy {
        let days = |count| Duration::new(count, Unit::Day).unwrap();
        let condition = |negated, test| Condition { negated, test };
        Policy {
            version: 7,
            set: Instant(5),
            effective: Instant(9),
            grace: days(3),
            breaker: Breaker { share: 40, segments: 12 },
            log: Some(days(400)),
            rules: vec![
                Rule {
                    action: Action::Keep(days(1)),
                    clock: Clock::Imported,
                    conditions: vec![
                        condition(true, Test::Source("slack".to_owned())),
                        condition(false, Test::Has(Feature::Attachment)),
                    ],
                },
                Rule {
                    action: Action::Delete(days(2)),
                    clock: Clock::Created,
                    conditions: vec![condition(false, Test::Conversation(vec![[1; 16], [2; 16]]))],
                },
                Rule {
                    action: Action::KeepLast(4),
                    clock: Clock::LastActivity,
                    conditions: vec![condition(true, Test::Content([3; 16]))],
                },
            ],
            default: Some((days(9), Clock::Created)),
            restored: vec![([4; 16], Instant(77))],
        }
    }

    #[test]
    fn a_policy_comes_back_as_it_was_and_an_empty_text_keeps_everything() {
        let text = write_policy(&policy(), vec![1, 2, 3]);
        assert_eq!(read_policy(7, &text), Some((policy(), vec![1, 2, 3])));
        let (empty, written) = read_policy(1, "").unwrap();
        assert_eq!((empty.rules.len(), empty.default, written), (0, None, Vec::new()));
    }

    #[test]
    fn a_hold_list_comes_back_with_its_notes() {
        let hold = |id, released| NotedHold {
            hold: Hold {
                id: [id; 16],
                placed: Instant(3),
                released,
                conditions: vec![Condition { negated: false, test: Test::Content([8; 16]) }],
            },
            note: HoldNote { reason: format!("case {id}"), selector: "title:x".to_owned() },
        };
        let list = vec![hold(1, None), hold(2, Some(Instant(4)))];
        let text = write_holds(&list, |note| serde_json::to_vec(note).unwrap());
        let pairs: Vec<(Hold, HoldNote)> = list.into_iter().map(|noted| (noted.hold, noted.note)).collect();
        assert_eq!(read_holds(&text, |sealed| serde_json::from_slice(sealed).ok()), Some(pairs));
        assert_eq!(read_holds::<HoldNote>("", |_| None), Some(Vec::new()));
        assert_eq!(read_holds::<HoldNote>(&text, |_| None), None, "a note that does not open");
    }

    #[test]
    fn a_text_that_says_more_or_less_than_it_may_is_refused() {
        let text = write_policy(&policy(), vec![1]);
        for (from, to) in [
            ("convault.policy/1", "convault.policy/2"),
            ("\"max_share\":40", "\"max_share\":40,\"more\":1"),
            ("\"max_share\":40,", ""),
            ("\"source\":\"slack\"", "\"source\":\"slack\",\"has\":\"attachment\""),
            ("\"has\":\"attachment\"", "\"has\":\"wings\""),
            ("\"keep-last\"", "\"keep\""),
            ("\"length\":\"2d\"", "\"length\":\"2d\",\"count\":1"),
            ("\"created\"", "\"mtime\""),
            ("\"written\":\"01\"", "\"written\":\"0\""),
            ("\"written\":\"01\"", "\"written\":\"0g\""),
        ] {
            assert!(text.contains(from), "{from}");
            assert_eq!(read_policy(7, &text.replacen(from, to, 1)), None, "{to}");
        }
    }
}
