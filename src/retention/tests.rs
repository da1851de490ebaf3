//! Golden cases of the rule book, and what must hold whatever the policy is.

use proptest::prelude::*;

use super::*;
use crate::clock::Unit;

const DAY: i64 = 86_400_000_000;
const NOW: Instant = Instant(20_000 * DAY);

fn days(count: u32) -> Duration {
    Duration::new(count, Unit::Day).unwrap()
}

fn ago(count: i64) -> Instant {
    Instant(NOW.0 - count * DAY)
}

/// A conversation last active and imported so many days ago, and begun a year before.
fn item(number: u8, active: i64) -> Item {
    Item {
        conversation: [number; 16],
        month: 0,
        is_adopted: true,
        leaf: number.into(),
        created: ago(active + 365),
        last_activity: ago(active),
        imported: ago(active),
        marked: ago(active),
        source: "chatgpt".to_owned(),
        marks: Vec::new(),
        attachments: 0,
        policy_version: 1,
        holds_version: 1,
    }
}

fn rule(action: Action, conditions: Vec<Condition>) -> Rule {
    Rule { action, clock: Clock::LastActivity, conditions }
}

fn is(test: Test) -> Vec<Condition> {
    vec![Condition { negated: false, test }]
}

fn from(source: &str) -> Vec<Condition> {
    is(Test::Source(source.to_owned()))
}

/// A policy that has always been in force.
fn policy(rules: Vec<Rule>, default: Option<u32>) -> Policy {
    Policy {
        version: 1,
        set: Instant(0),
        effective: Instant(0),
        grace: days(7),
        breaker: Breaker::default(),
        rules,
        default: default.map(|count| (days(count), Clock::LastActivity)),
        log: None,
        restored: Vec::new(),
    }
}

fn standing(policies: &[Policy], holds: &Holds, item: &Item) -> Standing {
    evaluate(policies, holds, std::slice::from_ref(item), NOW).remove(0).standing
}

fn alone(policy: &Policy, item: &Item) -> Standing {
    standing(std::slice::from_ref(policy), &Holds::default(), item)
}

fn due(since: i64) -> Standing {
    Standing::Due { since: ago(since), destroyed_from: ago(since - 7) }
}

#[test]
fn no_rule_and_an_empty_policy_keep() {
    let kept = Standing::Kept(Kept::NoRule);
    assert_eq!(alone(&policy(Vec::new(), None), &item(1, 9_000)), kept);
    let other = policy(vec![rule(Action::Delete(days(1)), from("slack"))], None);
    assert_eq!(alone(&other, &item(1, 9_000)), kept);
    // A floor is no reason to destroy.
    let floor = policy(vec![rule(Action::KeepLast(1), from("chatgpt"))], None);
    let both = evaluate(&[floor], &Holds::default(), &[item(1, 10), item(2, 5)], NOW);
    assert_eq!(both[0].standing, kept);
    assert_eq!(both[1].standing, Standing::Kept(Kept::Newest(0)));
}

#[test]
fn due_at_the_very_instant_and_destroyed_when_the_grace_is_over() {
    let policy = policy(Vec::new(), Some(90));
    assert_eq!(alone(&policy, &item(1, 89)), Standing::Live { due: ago(-1) });
    assert_eq!(alone(&policy, &item(1, 90)), due(0));
    let one = [item(1, 97)];
    let verdict = evaluate(std::slice::from_ref(&policy), &Holds::default(), &one, NOW).remove(0);
    assert_eq!((verdict.standing.clone(), verdict.rule), (due(7), Some(0)));
    assert!(verdict.is_ripe(NOW) && !verdict.is_ripe(ago(1)) && !verdict.is_served());
    let a_moment_before = Instant(ago(90).0 + 1);
    let young = Item { last_activity: a_moment_before, ..item(1, 0) };
    assert_eq!(alone(&policy, &young), Standing::Live { due: Instant(NOW.0 + 1) });
}

#[test]
fn keep_rules_combine_by_longest_delete_rules_by_shortest_at_the_most_specific_level() {
    let rules = |list: Vec<Rule>| policy(list, Some(10));
    let delete = |count| rule(Action::Delete(days(count)), from("chatgpt"));
    let keep = |count| rule(Action::Keep(days(count)), from("chatgpt"));
    // A rule that is about it takes the default away, also where it is the longer one.
    assert_eq!(alone(&rules(vec![delete(400)]), &item(1, 100)), Standing::Live { due: ago(-300) });
    assert_eq!(alone(&rules(vec![delete(400), delete(60)]), &item(1, 100)), due(40));
    // Keep beats delete, and the longest keep counts; keep rules alone do not take the default away.
    assert_eq!(alone(&rules(vec![delete(60), keep(90), keep(80)]), &item(1, 100)), due(10));
    assert_eq!(alone(&rules(vec![keep(90)]), &item(1, 100)), due(10));
    assert_eq!(alone(&rules(vec![delete(60), keep(101)]), &item(1, 100)), Standing::Live { due: ago(-1) });
    // A day beyond the calendar never comes.
    let ever = rule(Action::Keep(Duration::new(1000, Unit::Year).unwrap()), from("chatgpt"));
    let far = Item { last_activity: Instant(i64::MAX / 40), ..item(1, 0) };
    assert_eq!(alone(&rules(vec![delete(1), ever]), &far), Standing::Kept(Kept::Never));
}

#[test]
fn every_clock_counts_from_its_own_reading() {
    for (clock, since) in [(Clock::LastActivity, 10), (Clock::Created, 275), (Clock::Imported, 10)] {
        let rules = vec![Rule { clock, ..rule(Action::Delete(days(90)), from("chatgpt")) }];
        // Imported when it began, so that its import begins no grace of its own.
        let early = item(1, if clock == Clock::Created { 0 } else { 100 });
        let early = Item { imported: early.imported.min(ago(100)), marked: ago(400), ..early };
        let early = if clock == Clock::Created { Item { imported: early.created, ..early } } else { early };
        assert_eq!(alone(&policy(rules, None), &early), due(since), "{clock:?}");
        assert_eq!(Clock::of_word(clock.word()), Some(clock));
    }
}

#[test]
fn the_newest_are_counted_in_conversations_among_what_the_rule_selects() {
    let rules = vec![rule(Action::KeepLast(2), from("chatgpt")), rule(Action::Delete(days(1)), from("chatgpt"))];
    let policy = policy(rules, Some(1));
    let slack = Item { source: "slack".to_owned(), ..item(9, 2) };
    // Two months of one chat, and two at the same moment of which the smaller id is the newer.
    let months = [Item { leaf: 50, ..item(3, 40) }, item(3, 10)];
    let items = [slack, item(1, 20), item(2, 20), months[0].clone(), months[1].clone()];
    let verdicts = evaluate(&[policy], &Holds::default(), &items, NOW);
    let newest: Vec<bool> = verdicts.iter().map(|it| it.standing == Standing::Kept(Kept::Newest(0))).collect();
    assert_eq!(newest, [false, true, false, true, true]);
    assert!(!verdicts[0].is_served() && !verdicts[2].is_served());
}

#[test]
fn a_hold_beats_everything_and_its_release_begins_a_grace() {
    let policy = [policy(Vec::new(), Some(1))];
    let hold = |released| Hold { id: [7; 16], placed: ago(50), released, conditions: from("chatgpt") };
    let list = |hold| Holds { version: 1, list: vec![hold] };
    let one = item(1, 100);
    assert_eq!(standing(&policy, &list(hold(None)), &one), Standing::Held(Held { holds: vec![[7; 16]] }));
    // Free only when all are released.
    let mut two = list(hold(Some(ago(3))));
    two.list.push(Hold { id: [8; 16], ..hold(None) });
    assert_eq!(standing(&policy, &two, &one), Standing::Held(Held { holds: vec![[8; 16]] }));
    assert_eq!(standing(&policy, &list(hold(Some(ago(3)))), &one), due(3));
    assert_eq!(standing(&policy, &list(hold(Some(ago(200)))), &one), due(99));
    // A release to come is none yet.
    assert!(matches!(standing(&policy, &list(hold(Some(ago(-1)))), &one), Standing::Held(_)));
    let other = Hold { conditions: is(Test::Conversation(vec![[2; 16]])), ..hold(None) };
    assert_eq!(standing(&policy, &list(other), &one), due(99));
}

#[test]
fn what_is_restored_is_kept_until_its_day() {
    let mut policy = policy(Vec::new(), Some(1));
    policy.restored = vec![([1; 16], ago(-30)), ([2; 16], ago(5))];
    assert_eq!(alone(&policy, &item(1, 100)), Standing::Live { due: ago(-30) });
    assert_eq!(alone(&policy, &item(2, 100)), due(5));
    assert_eq!(alone(&policy, &item(3, 100)), due(99));
}

#[test]
fn while_a_version_cools_off_both_have_to_say_so() {
    let old = policy(Vec::new(), Some(200));
    let next = |effective: i64, count| Policy {
        version: 2,
        set: ago(1),
        effective: ago(effective),
        ..policy(Vec::new(), Some(count))
    };
    let none = Holds::default();
    // Shorter: what it makes due waits for its day, and has its whole grace then.
    assert_eq!(standing(&[old.clone(), next(-2, 50)], &none, &item(1, 100)), Standing::Live { due: ago(-2) });
    assert_eq!(standing(&[old.clone(), next(0, 50)], &none, &item(1, 100)), due(0));
    // What was due under both stays due, since it was.
    assert_eq!(standing(&[old.clone(), next(-2, 50)], &none, &item(1, 230)), due(30));
    assert_eq!(standing(&[old.clone(), next(0, 50)], &none, &item(1, 230)), due(30));
    // Longer: it counts at once.
    assert_eq!(standing(&[old.clone(), next(-2, 300)], &none, &item(1, 230)), Standing::Live { due: ago(-70) });
    // A second version before the first one is in force does not hide it.
    let third = Policy { version: 3, set: ago(0), effective: ago(-3), ..policy(Vec::new(), Some(500)) };
    let three = [old, next(-2, 50), third];
    assert_eq!(standing(&three, &none, &item(1, 230)), Standing::Live { due: ago(-270) });
}

#[test]
fn what_was_not_compiled_under_the_version_that_reads_content_is_kept() {
    let marked = |mark| rule(Action::Delete(days(1)), is(Test::Content([mark; 16])));
    let policy = Policy { version: 2, ..policy(vec![marked(5)], Some(1)) };
    let stale = item(1, 100);
    assert_eq!(alone(&policy, &stale), Standing::Kept(Kept::NotCompiled));
    let compiled = Item { policy_version: 2, ..item(1, 100) };
    assert_eq!(alone(&policy, &compiled), due(99));
    // A policy that reads no content needs no compiling.
    let plain = Policy { rules: Vec::new(), ..policy };
    assert_eq!(alone(&plain, &stale), due(99));
    let hold = Hold { id: [1; 16], placed: ago(1), released: None, conditions: is(Test::Content([9; 16])) };
    let holds = Holds { version: 2, list: vec![hold] };
    assert_eq!(standing(std::slice::from_ref(&plain), &holds, &compiled), Standing::Kept(Kept::NotCompiled));
    let both = Item { holds_version: 2, ..compiled };
    assert_eq!(standing(std::slice::from_ref(&plain), &holds, &both), due(99));
    let held = Item { marks: vec![[9; 16]], ..both };
    assert!(matches!(standing(&[plain], &holds, &held), Standing::Held(_)));
}

#[test]
fn conditions_ask_for_what_they_say_and_for_its_opposite() {
    let one = Item { marks: vec![[1; 16], [4; 16]], attachments: 2, ..item(1, 1) };
    for (test, answer) in [
        (Test::Source("chatgpt".to_owned()), true),
        (Test::Source("slack".to_owned()), false),
        (Test::Has(Feature::Attachment), true),
        (Test::Conversation(vec![[1; 16]]), true),
        (Test::Conversation(vec![[2; 16]]), false),
        (Test::Content([1; 16]), true),
        (Test::Content([2; 16]), false),
    ] {
        for negated in [false, true] {
            let condition = Condition { negated, test: test.clone() };
            assert_eq!(condition.holds(&one), answer != negated, "{test:?}");
        }
    }
}

#[test]
fn an_explanation_names_every_rule_that_matches_and_the_one_that_counts() {
    let rules = vec![
        rule(Action::Delete(days(60)), from("chatgpt")),
        rule(Action::Delete(days(90)), from("chatgpt")),
        rule(Action::Keep(days(80)), from("chatgpt")),
        rule(Action::Keep(days(1)), from("slack")),
    ];
    let policy = policy(rules, Some(5));
    let one = item(1, 100);
    let said = policy.explain(&one, std::slice::from_ref(&one));
    assert_eq!(said.due, Some(ago(20)));
    let lines: Vec<_> = said.lines.iter().map(|line| (line.rule, line.at, line.wins)).collect();
    assert_eq!(lines, [(0, Some(ago(40)), true), (1, Some(ago(10)), false), (2, Some(ago(20)), true)]);
    let other = Item { source: "codex".to_owned(), ..one };
    let said = policy.explain(&other, std::slice::from_ref(&other));
    assert_eq!(said.lines.iter().map(|line| (line.rule, line.wins)).collect::<Vec<_>>(), [(4, true)]);
}

fn some_rule() -> impl Strategy<Value = Rule> {
    let action = prop_oneof![
        (0..400_u32).prop_map(|count| Action::Keep(days(count))),
        (0..400_u32).prop_map(|count| Action::Delete(days(count))),
        (1..4_u32).prop_map(Action::KeepLast),
    ];
    let test = prop_oneof![
        Just(Test::Source("chatgpt".to_owned())),
        Just(Test::Source("slack".to_owned())),
        (0..3_u8).prop_map(|mark| Test::Content([mark; 16])),
        Just(Test::Has(Feature::Attachment)),
    ];
    let clock = prop_oneof![Just(Clock::LastActivity), Just(Clock::Created), Just(Clock::Imported)];
    (action, clock, proptest::collection::vec((any::<bool>(), test), 0..2)).prop_map(|(action, clock, tests)| Rule {
        action,
        clock,
        conditions: tests.into_iter().map(|(negated, test)| Condition { negated, test }).collect(),
    })
}

fn some_item() -> impl Strategy<Value = Item> {
    (0..6_u8, 0..500_i64, any::<bool>(), 0..3_u8, 0..2_u32).prop_map(|(number, active, is_slack, mark, attachments)| {
        Item {
            source: if is_slack { "slack" } else { "chatgpt" }.to_owned(),
            marks: vec![[mark; 16]],
            attachments,
            ..item(number, active)
        }
    })
}

fn some_policy() -> impl Strategy<Value = Policy> {
    (proptest::collection::vec(some_rule(), 0..5), proptest::option::of(0..400_u32))
        .prop_map(|(rules, default)| policy(rules, default))
}

/// When an item is or will be due; none for never.
fn when(verdict: &Verdict) -> Option<Instant> {
    match verdict.standing {
        Standing::Due { since, .. } => Some(since),
        Standing::Live { due } => Some(due),
        _ => None,
    }
}

proptest! {
    #[test]
    fn the_order_of_rules_means_nothing(
        (rules, shuffled) in proptest::collection::vec(some_rule(), 0..6)
            .prop_flat_map(|rules| (Just(rules.clone()), Just(rules).prop_shuffle())),
        default in proptest::option::of(0..400_u32),
        items in proptest::collection::vec(some_item(), 1..8),
    ) {
        let judge = |rules: Vec<Rule>| evaluate(&[policy(rules, default)], &Holds::default(), &items, NOW);
        let (one, other) = (judge(rules), judge(shuffled));
        for (one, other) in one.iter().zip(&other) {
            prop_assert_eq!(when(one), when(other));
            prop_assert_eq!(one.is_served(), other.is_served());
        }
    }

    #[test]
    fn a_keep_rule_more_never_makes_anything_due_earlier(
        policy in some_policy(), count in 0..400_u32, keep_last in any::<bool>(), extra in some_rule(),
        items in proptest::collection::vec(some_item(), 1..8),
    ) {
        let mut more = policy.clone();
        let action = if keep_last { Action::KeepLast(count % 4 + 1) } else { Action::Keep(days(count)) };
        more.rules.push(Rule { action, ..extra });
        let judge = |policy: Policy| evaluate(&[policy], &Holds::default(), &items, NOW);
        for (before, after) in judge(policy).iter().zip(judge(more)) {
            let later = match (when(before), when(&after)) {
                (_, None) => true,
                (None, Some(_)) => false,
                (Some(before), Some(after)) => after >= before,
            };
            prop_assert!(later);
        }
    }

    #[test]
    fn what_is_held_is_never_in_a_plan_and_no_rule_means_keep(
        policy in some_policy(), items in proptest::collection::vec(some_item(), 1..8),
        tests in proptest::collection::vec(some_rule(), 0..3),
    ) {
        let conditions: Vec<Condition> = tests.into_iter().flat_map(|rule| rule.conditions).collect();
        let hold = Hold { id: [7; 16], placed: ago(1), released: None, conditions: conditions.clone() };
        let holds = Holds { version: 1, list: vec![hold] };
        let verdicts = evaluate(std::slice::from_ref(&policy), &holds, &items, NOW);
        for (verdict, item) in verdicts.iter().zip(&items) {
            let is_held = conditions.iter().all(|condition| condition.holds(item));
            prop_assert_eq!(matches!(verdict.standing, Standing::Held(_)), is_held);
            prop_assert!(!is_held || verdict.is_served() && !verdict.is_ripe(Instant(i64::MAX)));
            let deletes = policy.rules.iter().any(|rule| {
                matches!(rule.action, Action::Delete(_)) && rule.conditions.iter().all(|it| it.holds(item))
            });
            prop_assert!(deletes || policy.default.is_some() || verdict.is_served());
        }
    }

    #[test]
    fn a_shorter_version_destroys_nothing_before_its_day_and_its_grace(
        old in some_policy(), new in some_policy(), cooling in 1..30_i64,
        items in proptest::collection::vec(some_item(), 1..8),
    ) {
        let new = Policy { version: 2, set: NOW, effective: ago(-cooling), ..new };
        let both = [old.clone(), new];
        for at in [NOW, ago(-cooling)] {
            let alone = evaluate(std::slice::from_ref(&old), &Holds::default(), &items, at);
            for (before, now) in alone.iter().zip(evaluate(&both, &Holds::default(), &items, at)) {
                // What the new version alone wants gone is not, before that is in force and its grace is over.
                prop_assert!(before.is_ripe(at) || !now.is_ripe(at));
            }
        }
    }
}

#[test]
fn a_policy_is_read_and_every_mistake_is_named_by_its_place() {
    let text = "schema = \"convault.policy/1\"\ngrace = \"0d\"\nmax-share = 50\n[[rule]]\nname = \"a\"\nkeep = \"10y\"\n\
                select = \"tag:x\"\n[[rule]]\nname = \"b\"\nkeep-last = 3\nclock = \"imported\"\nselect = \"source:codex\"\n\
                [default]\ndelete = \"6mo\"\n";
    let read = Written::parse(text).unwrap();
    assert_eq!((read.grace, read.breaker), (days(0), Breaker { share: 50, segments: 1000 }));
    assert_eq!(read.rules[1].action, Action::KeepLast(3));
    assert_eq!((read.rules[1].clock, read.rules[0].select.as_str()), (Clock::Imported, "tag:x"));
    assert_eq!(read.default, Some((Duration::new(6, Unit::Month).unwrap(), Clock::LastActivity)));
    for (from, to, said) in [
        ("policy/1", "policy/2", "schema: not \"convault.policy/1\""),
        ("\"0d\"", "\"91d\"", "grace, in days: not from 0 to 90"),
        ("\"0d\"", "\"5m\"", "grace: the unit m can mean minutes or months"),
        ("\"0d\"", "\"1mo\"", "grace, in days: not from 0 to 90"),
        ("\"10y\"", "\"-1y\"", "rule \"a\": keep: not a duration"),
        ("\"10y\"", "\"\u{662}d\"", "rule \"a\": keep: not a duration"),
        ("\"10y\"", "\"99999999999y\"", "rule \"a\": keep: too far away"),
        ("keep-last = 3", "keep-last = 0", "rule \"b\": keep-last: not from 1 to 4294967295"),
        (
            "keep-last = 3",
            "keep-last = 3\ndelete = \"1d\"",
            "rule \"b\": needs exactly one of keep, delete and keep-last",
        ),
        ("keep-last = 3\n", "", "rule \"b\": needs exactly one of keep, delete and keep-last"),
        ("\"imported\"", "\"mtime\"", "rule \"b\": clock: the clock is not last-activity, created or imported"),
        (
            "name = \"b\"",
            "name = \"a\"",
            "rule 2: the name is empty, longer than 64 bytes, has control characters, or is another rule's",
        ),
        ("max-share = 50", "max-share = 0", "max-share: not from 1 to 100"),
    ] {
        assert_eq!(Written::parse(&text.replacen(from, to, 1)).unwrap_err().to_string(), said, "{from} {to}");
    }
    for (from, to, line) in [("max-share", "max-shares", 3), ("select = \"tag:x\"\n", "", 4), ("grace = ", "grace ", 2)]
    {
        let error = Written::parse(&text.replacen(from, to, 1)).unwrap_err();
        assert!(matches!(error, PolicyError::Toml { line: at, .. } if at == line), "{error:?}");
    }
}

#[test]
fn what_made_it_due_just_now_begins_a_grace() {
    let rules = policy(Vec::new(), Some(1));
    // An old export that comes today, and a tag of yesterday.
    assert_eq!(alone(&rules, &Item { imported: ago(0), ..item(1, 500) }), due(0));
    assert_eq!(alone(&rules, &Item { marked: ago(1), ..item(1, 500) }), due(1));
    // Displaced from the newest by the one whose import made it one too many, not by those that came after.
    let keep =
        policy(vec![rule(Action::KeepLast(2), from("chatgpt")), rule(Action::Delete(days(1)), from("chatgpt"))], None);
    let came =
        |number, active, imported| Item { imported: ago(imported), marked: ago(imported), ..item(number, active) };
    let items = [came(1, 400, 400), came(2, 300, 300), came(3, 200, 5), came(4, 100, 3)];
    let verdicts = evaluate(&[keep], &Holds::default(), &items, NOW);
    assert_eq!(verdicts[0].standing, due(5));
    assert_eq!(verdicts[1].standing, due(3));
    assert!(verdicts[2].is_served() && verdicts[3].is_served());
}

#[test]
fn of_versions_that_count_together_the_longest_grace_does() {
    let long = Policy { grace: days(90), ..policy(Vec::new(), Some(1)) };
    let next = Policy { version: 2, set: ago(1), effective: ago(-2), grace: days(0), ..policy(Vec::new(), Some(1)) };
    for pair in [
        [long.clone(), next.clone()],
        [Policy { grace: days(0), ..long.clone() }, Policy { grace: days(90), ..next.clone() }],
    ] {
        let expected = Standing::Due { since: ago(99), destroyed_from: ago(9) };
        assert_eq!(standing(&pair, &Holds::default(), &item(1, 100)), expected);
    }
}

#[test]
fn a_newer_one_that_displaces_begins_a_grace_by_whatever_made_it_newer_and_in_whatever_version_kept_before() {
    let latest = || vec![rule(Action::KeepLast(1), from("chatgpt")), rule(Action::Delete(days(1)), from("chatgpt"))];
    let keep = policy(latest(), None);
    let first =
        |items: &[Item], policies: &[Policy]| evaluate(policies, &Holds::default(), items, NOW).remove(0).standing;
    // Long there, and went on two days ago: until then the other one was the newest.
    let went_on = Item { last_activity: ago(2), marked: ago(2), ..item(2, 300) };
    let gone_on = [item(1, 200), went_on];
    assert_eq!(first(&gone_on, std::slice::from_ref(&keep)), due(2));
    // A version that cools off keeps it, until a newer one comes.
    let came = [item(1, 200), item(2, 3)];
    let all = policy(Vec::new(), Some(1));
    let cooling = Policy { version: 2, set: ago(4), effective: ago(-1), ..policy(latest(), None) };
    assert_eq!(first(&came, &[all.clone(), cooling]), due(3));
    // So does one that is not in force any more.
    let without = Policy { version: 2, set: ago(5), effective: ago(2), ..all };
    assert_eq!(first(&came, &[keep, without]), due(3));
}
