//! Making text inert: nothing in it can move the cursor, change a colour, reorder or hide a word.
//!
//! What is only decoration goes: colour codes, direction marks, invisible characters. What a
//! terminal would act on is shown as a symbol (`␛` for escape), so that nothing a sequence carries is
//! hidden from the reader. The marks that ChatGPT leaves in its text are resolved here too: they
//! are private-use characters that no font shows. A citation goes, since the sources are shown
//! apart; an entity becomes its name; any other mark becomes its kind in brackets.

use std::borrow::Cow;

use unicode_normalization::char::is_combining_mark;

/// Stands for a character that must not be shown and has no symbol.
const REPLACEMENT: char = '\u{fffd}';

/// A longer escape sequence or mark is not taken for one.
const LONGEST_SEQUENCE: usize = 64;
const LONGEST_MARK: usize = 4096;

/// More marks on one letter than any script needs; with hundreds they cover the lines around.
const MOST_MARKS: u32 = 8;

/// Makes text of several lines harmless; newlines and tabs stay.
pub fn inert(text: &str) -> Cow<'_, str> {
    made_inert(text, true)
}

/// Makes text harmless and one line: newlines and tabs become spaces.
pub fn inert_line(text: &str) -> Cow<'_, str> {
    made_inert(text, false)
}

/// Whether a character would act on a terminal or hide in it, so that JSON should carry it as an escape.
pub fn needs_escape(c: char) -> bool {
    c.is_control() || !matches!(judge(c), Judgement::Shown | Judgement::Joiner | Judgement::Selector)
}

fn made_inert(text: &str, keeps_lines: bool) -> Cow<'_, str> {
    let is_plain = |c: char| matches!(c, ' '..='~') || (keeps_lines && matches!(c, '\n' | '\t')) || is_harmless(c);
    let Some(first) = text.find(|c| !is_plain(c)) else { return Cow::Borrowed(text) };
    // One character back, because a mark or joiner is judged by what it follows.
    let start = text[..first].char_indices().next_back().map_or(0, |(at, _)| at);
    let mut writer = Writer { out: text[..start].to_owned(), keeps_lines, marks: 0 };
    let mut at = start;
    while let Some(c) = text[at..].chars().next() {
        let rest = &text[at + c.len_utf8()..];
        at = text.len() - writer.push(c, rest).len();
    }
    Cow::Owned(writer.out)
}

/// Letters, digits and symbols beyond ASCII that need no second look.
fn is_harmless(c: char) -> bool {
    !c.is_ascii() && !c.is_control() && !is_combining_mark(c) && matches!(judge(c), Judgement::Shown)
}

#[derive(PartialEq, Eq)]
enum Judgement {
    Shown,
    /// Invisible, or it reorders what stands around it.
    Dropped,
    /// Ends a line or paragraph.
    LineEnd,
    /// Joins letters of some scripts and parts of emoji.
    Joiner,
    /// Chooses between forms of the character before it.
    Selector,
    /// A mark of ChatGPT.
    Mark,
    Replaced,
}

fn judge(c: char) -> Judgement {
    match c {
        '\u{85}' | '\u{2028}' | '\u{2029}' => Judgement::LineEnd,
        '\u{80}'..='\u{9f}' => Judgement::Replaced,
        // Soft hyphen, grapheme joiner, Arabic letter mark, fillers that look like nothing.
        '\u{ad}' | '\u{34f}' | '\u{61c}' | '\u{115f}' | '\u{1160}' | '\u{3164}' | '\u{ffa0}' => Judgement::Dropped,
        '\u{17b4}' | '\u{17b5}' | '\u{180b}'..='\u{180f}' => Judgement::Dropped,
        // Zero-width space, direction marks, embeddings, overrides, isolates, invisible operators.
        '\u{200b}' | '\u{200e}' | '\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2060}'..='\u{206f}' => Judgement::Dropped,
        // Byte order mark, interlinear annotation, shorthand and musical format characters.
        '\u{feff}' | '\u{fff0}'..='\u{fffb}' | '\u{1bca0}'..='\u{1bca3}' | '\u{1d173}'..='\u{1d17a}' => {
            Judgement::Dropped
        }
        // Tags and the variation selectors beyond the sixteenth: a known way to hide whole texts.
        '\u{e0000}'..='\u{e0fff}' => Judgement::Dropped,
        '\u{200c}' | '\u{200d}' => Judgement::Joiner,
        '\u{fe00}'..='\u{fe0f}' => Judgement::Selector,
        '\u{e200}'..='\u{e20f}' => Judgement::Mark,
        // Some terminals draw images where these stand.
        '\u{f0000}'.. => Judgement::Replaced,
        '\u{fdd0}'..='\u{fdef}' => Judgement::Replaced,
        _ if u32::from(c) & 0xfffe == 0xfffe => Judgement::Replaced,
        _ => Judgement::Shown,
    }
}

struct Writer {
    out: String,
    keeps_lines: bool,
    /// How many marks the last letter has.
    marks: u32,
}

impl Writer {
    /// Writes what becomes of one character and returns what is left to read.
    fn push<'a>(&mut self, c: char, rest: &'a str) -> &'a str {
        if is_combining_mark(c) && judge(c) == Judgement::Shown {
            self.marks += 1;
            if self.marks <= MOST_MARKS {
                self.out.push(c);
            }
            return rest;
        }
        match c {
            '\n' => self.end_line(),
            '\t' => self.show(if self.keeps_lines { '\t' } else { ' ' }),
            '\r' if rest.starts_with('\n') => {}
            '\u{1b}' | '\u{9b}' => match decoration(c, rest) {
                Some(rest) => return rest,
                None => self.show(if c == '\u{1b}' { '␛' } else { REPLACEMENT }),
            },
            '\0'..='\u{1f}' => self.show(char::from_u32(0x2400 + u32::from(c)).unwrap_or(REPLACEMENT)),
            '\u{7f}' => self.show('␡'),
            _ => match judge(c) {
                Judgement::Shown => self.show(c),
                Judgement::Dropped => {}
                Judgement::LineEnd => self.end_line(),
                Judgement::Replaced => self.show(REPLACEMENT),
                Judgement::Joiner => {
                    if self.follows_foreign() && rest.chars().next().is_some_and(is_foreign) {
                        self.out.push(c);
                    }
                }
                Judgement::Selector => {
                    let before = self.out.chars().next_back();
                    if before.is_some_and(|c| !c.is_whitespace() && judge(c) == Judgement::Shown) {
                        self.out.push(c);
                    }
                }
                Judgement::Mark => return self.mark(c, rest),
            },
        }
        rest
    }

    fn show(&mut self, c: char) {
        self.marks = 0;
        self.out.push(c);
    }

    fn end_line(&mut self) {
        self.show(if self.keeps_lines { '\n' } else { ' ' });
    }

    /// Whether the last character shown, past a form selector, belongs to a script with joiners or
    /// is an emoji.
    fn follows_foreign(&self) -> bool {
        self.out.chars().rev().find(|&c| judge(c) != Judgement::Selector).is_some_and(is_foreign)
    }

    /// A mark of ChatGPT: `U+E200 kind U+E202 payload U+E201`. One that is not whole is dropped
    /// alone, so that it hides nothing.
    fn mark<'a>(&mut self, c: char, rest: &'a str) -> &'a str {
        let is_mark = |c: char| judge(c) == Judgement::Mark;
        let end = rest.bytes().take(LONGEST_MARK).position(|byte| byte == b'\n').unwrap_or(rest.len());
        let whole = (c == '\u{e200}').then(|| rest.find(['\u{e200}', '\u{e201}'])).flatten();
        let whole = whole.filter(|&at| at <= end.min(LONGEST_MARK) && rest[at..].starts_with('\u{e201}'));
        let Some(end) = whole else { return rest };
        let (kind, payload) = rest[..end].split_once(is_mark).unwrap_or((&rest[..end], ""));
        let is_word =
            |text: &str| (1..=32).contains(&text.len()) && text.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_');
        if kind == "entity" {
            // ["kind", "name", ...]; escapes in it are decoded, so it is judged once more.
            let name = serde_json::from_str::<Vec<serde_json::Value>>(payload).ok();
            let name = name.as_ref().and_then(|list| list.get(1)?.as_str()).unwrap_or_default();
            let name = name.replace(is_mark, "");
            for c in inert_line(&name).chars() {
                self.show(c);
            }
        } else if is_word(kind) && !kind.contains("cite") {
            self.out.push_str(&format!("[{kind}]"));
            self.marks = 0;
        }
        &rest[end + '\u{e201}'.len_utf8()..]
    }
}

fn is_foreign(c: char) -> bool {
    !c.is_ascii() && !c.is_control() && judge(c) == Judgement::Shown
}

/// What follows an escape sequence that carries no text: one that sets colours or a character set,
/// or moves the cursor. `rest` begins after the escape.
fn decoration(escape: char, rest: &str) -> Option<&str> {
    if escape == '\u{1b}'
        && let Some(set) = rest.strip_prefix(['(', ')'])
    {
        return set.strip_prefix(['A', 'B', '0']);
    }
    let body = if escape == '\u{1b}' { rest.strip_prefix('[')? } else { rest };
    let parameters = body.bytes().take(LONGEST_SEQUENCE).take_while(|b| matches!(b, 0x30..=0x3f)).count();
    let intermediates = body[parameters..].bytes().take(4).take_while(|b| matches!(b, 0x20..=0x2f)).count();
    let end = parameters + intermediates;
    let is_final = body.as_bytes().get(end).is_some_and(|b| matches!(b, 0x40..=0x7e));
    is_final.then(|| &body[end + 1..])
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// Whether a character may stand in what a terminal is given.
    fn may_be_shown(c: char) -> bool {
        let joins = matches!(c, '\u{200c}' | '\u{200d}' | '\u{fe00}'..='\u{fe0f}');
        !c.is_control() && (joins || judge(c) == Judgement::Shown)
    }

    #[test]
    fn every_control_character_becomes_a_symbol() {
        for code in 0_u32..=0x9f {
            let c = char::from_u32(code).expect("a character");
            let expected = match code {
                0x09 => "a b".to_owned(),
                0x0a | 0x85 => "a b".to_owned(),
                0x20..=0x7e => continue,
                0x7f => "a␡b".to_owned(),
                0x9b => "a".to_owned(),
                0..=0x1f => format!("a{}b", char::from_u32(0x2400 + code).expect("a symbol")),
                _ => "a\u{fffd}b".to_owned(),
            };
            assert_eq!(inert_line(&format!("a{c}b")), expected, "{code:#x}");
        }
        assert_eq!(inert("a\nb\tc\r\nd\re\u{85}f\u{2028}g"), "a\nb\tc\nd␍e\nf\ng");
        assert_eq!(inert_line("a\nb\tc\r\nd\re\u{2029}f"), "a b c d␍e f");
    }

    #[test]
    fn sequences_are_removed_or_shown() {
        for (text, expected) in [
            ("\u{1b}[1;31mred\u{1b}[0m", "red"),
            ("\u{1b}[38:2::1:2:3mred\u{1b}[m", "red"),
            ("\u{1b}[?1049h\u{1b}[2J\u{1b}[Htop", "top"),
            ("\u{1b}[3 qshape", "shape"),
            ("\u{9b}31mred", "red"),
            ("\u{1b}(Bplain", "plain"),
            ("\u{1b}[31", "␛[31"),
            ("\u{1b}[31ü", "␛[31ü"),
            ("\u{1b}[3\u{1b}[31mred", "␛[3red"),
            ("\u{1b}]0;title\u{7}text", "␛]0;title␇text"),
            ("\u{1b}]8;;http://x\u{1b}\\text", "␛]8;;http://x␛\\text"),
            ("\u{1b}Pq#0\u{1b}\\", "␛Pq#0␛\\"),
            ("\u{1b}]52;c;aGk=\u{7}", "␛]52;c;aGk=␇"),
            ("\u{1b}c", "␛c"),
            ("\u{1b}", "␛"),
            ("\u{9d}0;t\u{9c}", "\u{fffd}0;t\u{fffd}"),
        ] {
            assert_eq!(inert(text), expected, "{text:?}");
        }
        let long = format!("\u{1b}[{}m", "1".repeat(10_000));
        assert!(inert(&long).starts_with("␛[111"));
    }

    #[test]
    fn what_hides_or_reorders_is_dropped() {
        let dropped = "\u{200b}\u{200e}\u{200f}\u{202a}\u{202b}\u{202c}\u{202d}\u{202e}\u{2060}\u{2064}\u{2066}\u{2067}\
                       \u{2068}\u{2069}\u{206a}\u{61c}\u{feff}\u{ad}\u{180e}\u{e0001}\u{e0041}\u{e0100}\u{fff9}\u{3164}";
        for c in dropped.chars() {
            assert_eq!(inert(&format!("a{c}b")), "ab", "{c:?}");
        }
        assert_eq!(inert("a\u{10eeee}\u{f0000}\u{ffff}b"), "a\u{fffd}\u{fffd}\u{fffd}b");
    }

    #[test]
    fn what_scripts_and_emoji_need_stays() {
        for text in [
            "👩\u{200d}👧",
            "❤\u{fe0f}\u{200d}🔥",
            "1\u{fe0f}\u{20e3}",
            "نمی\u{200c}خواهم",
            "שָׁלוֹם",
            "e\u{301}",
            "ไทย",
            "\u{e0b0}",
        ] {
            assert_eq!(inert(text), text);
            assert!(matches!(inert_line("Größe 予算"), Cow::Borrowed(_)));
        }
        for (text, expected) in [
            ("a\u{200d}b", "ab"),
            ("é\u{200d}", "é"),
            ("\u{fe0f}a", "a"),
            ("a\u{fe0f}\u{fe0e}", "a\u{fe0f}"),
            (" \u{fe0f}", " "),
        ] {
            assert_eq!(inert(text), expected, "{text:?}");
        }
        let flood = format!("a{}b", "\u{301}".repeat(100));
        assert_eq!(inert(&flood), format!("a{}b", "\u{301}".repeat(8)));
    }

    #[test]
    fn marks_of_chatgpt_are_resolved() {
        for (text, expected) in [
            ("It rains.\u{e200}cite\u{e202}turn0search3\u{e202}turn0search8\u{e201} Yes", "It rains. Yes"),
            ("\u{e200}filecite\u{e202}turn0file1\u{e201}", ""),
            ("\u{e200}entity\u{e202}[\"city\",\"Zürich\",\"CH\"]\u{e201} is", "Zürich is"),
            ("\u{e200}entity\u{e202}[\"city\",\"\\u001b[31m\\u001bc\\ue200\"]\u{e201}", "␛c"),
            ("\u{e200}entity\u{e202}not json\u{e201}x", "x"),
            ("\u{e200}navlist\u{e202}News\u{e201}", "[navlist]"),
            ("\u{e200}Evil kind!\u{e202}x\u{e201}y", "y"),
            ("\u{e200}cite never closed", "cite never closed"),
            ("\u{e200}cite\nnext\u{e201}", "cite\nnext"),
            ("\u{e200}a\u{e200}cite\u{e202}x\u{e201}b", "ab"),
            ("\u{e201}\u{e202}", ""),
        ] {
            assert_eq!(inert(text), expected, "{text:?}");
        }
    }

    fn hostile() -> impl Strategy<Value = String> {
        let parts = vec![
            "\u{1b}",
            "[",
            "3",
            "m",
            "(B",
            "]0;",
            "\u{7}",
            "\u{9b}",
            "\r",
            "\n",
            "\t",
            "\u{e200}",
            "cite",
            "entity",
            "\u{e202}",
            "[\"a\",\"\\u001b\"]",
            "\u{e201}",
            "\u{202e}",
            "\u{200d}",
            "\u{fe0f}",
            "é",
            "🎉",
            "\u{301}",
            "a",
            " ",
            "\u{2028}",
        ];
        let part =
            prop_oneof![prop::sample::select(parts).prop_map(str::to_owned), any::<char>().prop_map(String::from)];
        prop::collection::vec(part, 0..16).prop_map(|parts| parts.concat())
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(2000))]

        #[test]
        fn nothing_active_is_left(text in hostile()) {
            let lines = inert(&text).into_owned();
            prop_assert!(lines.chars().all(|c| matches!(c, '\n' | '\t') || may_be_shown(c)), "{lines:?}");
            let line = inert_line(&text).into_owned();
            prop_assert!(line.chars().all(may_be_shown), "{line:?}");
            prop_assert_eq!(inert(&lines), lines.as_str());
            prop_assert_eq!(inert_line(&line), line.as_str());
        }
    }
}
