//! Options told from selectors: in `list -tag:work --json` the first is a negated term, the second an option.
//!
//! clap can take nothing that begins with a hyphen for a value, or, once a value has come, everything.
//! So the words of a selector are put behind `--` before it reads them.

use std::ffi::OsString;

use clap::Command;

use super::arguments::TAKE_SELECTORS;

/// What a word of the command line is.
enum Word {
    Option { takes_next: bool },
    End,
    Value,
}

/// The arguments with what a selector may be made of behind `--`; others as they are.
pub(super) fn selectors_last(arguments: impl IntoIterator<Item = OsString>, mut root: Command) -> Vec<OsString> {
    root.build();
    let mut words = arguments.into_iter();
    let mut out: Vec<OsString> = words.next().into_iter().collect();
    // Down to the command that is meant: `hold place` is one of two words.
    let mut chosen = Some(&root);
    while let Some(command) = chosen.filter(|command| command.has_subcommands()) {
        let Some(word) = words.next() else { break };
        let kind = kind(command, &word);
        match kind {
            Word::Option { .. } => {}
            Word::Value => chosen = word.to_str().and_then(|name| command.find_subcommand(name)),
            Word::End => chosen = None,
        }
        out.push(word);
        if let Word::Option { takes_next: true } = kind {
            out.extend(words.next());
        }
    }
    let Some(command) = chosen.filter(|command| TAKE_SELECTORS.contains(&command.get_name())) else {
        out.extend(words);
        return out;
    };
    let mut values = Vec::new();
    while let Some(word) = words.next() {
        match kind(command, &word) {
            Word::Option { takes_next } => {
                out.push(word);
                out.extend(if takes_next { words.next() } else { None });
            }
            Word::End => values.extend(words.by_ref()),
            Word::Value => values.push(word),
        }
    }
    if !values.is_empty() {
        out.push("--".into());
        out.extend(values);
    }
    out
}

fn kind(command: &Command, word: &OsString) -> Word {
    let Some(text) = word.to_str() else { return Word::Value };
    if text == "--" {
        return Word::End;
    }
    let mut options = command.get_arguments().filter(|one| !one.is_positional());
    if let Some(long) = text.strip_prefix("--") {
        let (name, value) = long.split_once('=').map_or((long, None), |(name, value)| (name, Some(value)));
        let known = options.find(|one| one.get_long() == Some(name));
        let takes_next = value.is_none() && known.is_some_and(|one| one.get_action().takes_values());
        // An unknown one stays an option, so that the mistake is named.
        return Word::Option { takes_next };
    }
    let mut letters = text.strip_prefix('-').unwrap_or_default().chars();
    match (letters.next(), letters.next()) {
        (Some(letter), None) => match options.find(|one| one.get_short() == Some(letter)) {
            Some(one) => Word::Option { takes_next: one.get_action().takes_values() },
            None => Word::Value,
        },
        _ => Word::Value,
    }
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory;

    use super::super::arguments::Arguments;
    use super::*;

    #[test]
    fn negated_terms_and_options_stand_in_any_order() {
        for (typed, expected) in [
            ("list title:tide --json", "list --json -- title:tide"),
            ("list -tag:work --limit 3 -before:90d", "list --limit 3 -- -tag:work -before:90d"),
            (
                "--vault v.db -q search -draft budget --limit=3 --all",
                "--vault v.db -q search --limit=3 --all -- -draft budget",
            ),
            ("tag title:bread --add a --remove b -q", "tag --add a --remove b -q -- title:bread"),
            ("search word -- --json -q", "search -- word --json -q"),
            ("list --unknown x", "list --unknown -- x"),
            ("hold -q place --reason x -tag:work a", "hold -q place --reason x -- -tag:work a"),
            ("hold release -x", "hold release -x"),
            ("list -h", "list -h"),
            ("show abcd --all", "show abcd --all"),
            ("import -x --tag t a b", "import -x --tag t a b"),
            ("help list", "help list"),
            ("list", "list"),
            ("", ""),
        ] {
            let words = ["convault"].into_iter().chain(typed.split_whitespace()).map(OsString::from);
            let sorted = selectors_last(words, Arguments::command());
            let sorted: Vec<_> = sorted.iter().skip(1).map(|word| word.to_str().expect("text")).collect();
            assert_eq!(sorted.join(" "), expected);
        }
    }
}
