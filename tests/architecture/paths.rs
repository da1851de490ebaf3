//! The paths a file names: every `use` taken apart, every `a::b` in the code, names followed to where they came from.

use std::collections::HashMap;

use super::tokens::{Token, reads};

/// A path as it stands in the code, written out.
#[derive(Clone, Debug)]
pub struct Path {
    /// Its segments; `*` for a glob.
    pub segments: Vec<String>,
    /// The line it stands in.
    pub line: usize,
    /// Whether it is test code.
    pub in_test: bool,
    /// How many inline modules it stands in.
    pub inline: usize,
    /// Whether a `use` makes it visible to others.
    pub is_reexport: bool,
    /// The name a `use` gives it.
    pub alias: Option<String>,
    /// Whether it stands in a `use`.
    pub is_use: bool,
}

/// All paths of a file, with the names that its `use` statements brought in replaced by what they stand for.
pub fn paths(tokens: &[Token]) -> Vec<Path> {
    let (mut found, mut index) = (Vec::new(), 0);
    while index < tokens.len() {
        if tokens[index].text == "use" && !reads(tokens, index + 1, &["<"]) {
            let is_reexport = is_public(tokens, index);
            index += 1;
            tree(tokens, &mut index, &[], is_reexport, &mut found);
        } else if starts_path(tokens, index) {
            let (first, mut segments) = (index, vec![tokens[index].text.clone()]);
            while reads(tokens, index + 1, &["::"]) && tokens.get(index + 2).is_some_and(|next| is_name(&next.text)) {
                index += 2;
                segments.push(tokens[index].text.clone());
            }
            index += 1;
            found.push(path(&tokens[first], segments, false, None, false));
        } else {
            index += 1;
        }
    }
    follow(&mut found);
    found
}

fn path(at: &Token, segments: Vec<String>, is_reexport: bool, alias: Option<String>, is_use: bool) -> Path {
    Path { segments, line: at.line, in_test: at.in_test, inline: at.inline, is_reexport, alias, is_use }
}

fn is_name(word: &str) -> bool {
    word.starts_with(|first: char| first.is_alphabetic() || first == '_')
}

/// Whether `pub` or `pub(…)` stands before the word.
fn is_public(tokens: &[Token], index: usize) -> bool {
    let before = tokens[..index].iter().rposition(|token| !matches!(token.text.as_str(), "(" | ")" | "in" | "self"));
    let closes = index > 0 && tokens[index - 1].text == ")";
    match before {
        Some(at) if tokens[at].text == "pub" => true,
        Some(_) if closes => {
            let open = tokens[..index].iter().rposition(|token| token.text == "(");
            open.is_some_and(|open| open > 0 && tokens[open - 1].text == "pub")
        }
        _ => false,
    }
}

fn starts_path(tokens: &[Token], index: usize) -> bool {
    let word = &tokens[index].text;
    if !is_name(word) {
        return false;
    }
    let before = |back: usize| index.checked_sub(back).map_or("", |at| tokens[at].text.as_str());
    if before(1) == "." || (before(1) == "::" && (is_name(before(2)) || before(2) == ">")) {
        return false;
    }
    let in_visibility = before(1) == "(" && before(2) == "pub";
    reads(tokens, index + 1, &["::"]) || (word == "crate" && !in_visibility)
}

fn tree(tokens: &[Token], index: &mut usize, prefix: &[String], is_reexport: bool, found: &mut Vec<Path>) {
    let mut segments = prefix.to_vec();
    while let Some(token) = tokens.get(*index) {
        match token.text.as_str() {
            "::" => *index += 1,
            "{" => {
                *index += 1;
                while *index < tokens.len() && !reads(tokens, *index, &["}"]) {
                    tree(tokens, index, &segments, is_reexport, found);
                    if reads(tokens, *index, &[","]) {
                        *index += 1;
                    }
                }
                *index += 1;
                return;
            }
            "*" => {
                segments.push("*".to_owned());
                found.push(path(token, segments, is_reexport, None, true));
                *index += 1;
                return;
            }
            word if is_name(word) => {
                segments.push(word.to_owned());
                *index += 1;
                if reads(tokens, *index, &["::"]) {
                    continue;
                }
                let alias = reads(tokens, *index, &["as"]).then(|| {
                    *index += 2;
                    tokens.get(*index - 1).map_or(String::new(), |name| name.text.clone())
                });
                found.push(path(token, segments, is_reexport, alias, true));
                return;
            }
            _ => {
                // Not Rust that compiles; the next word is looked at afresh.
                *index += 1;
                return;
            }
        }
    }
}

/// Replaces the first segment by what a `use` of the same file says it stands for.
fn follow(found: &mut [Path]) {
    let mut names: HashMap<String, Vec<String>> = HashMap::new();
    for path in found.iter().filter(|path| path.is_use) {
        let mut target = path.segments.clone();
        if target.last().is_some_and(|last| last == "self") {
            target.pop();
        }
        let name = path.alias.clone().or_else(|| target.last().cloned());
        if let Some(name) = name.filter(|name| *name != "*" && *name != "_") {
            names.insert(name, target);
        }
    }
    for path in found.iter_mut() {
        // A chain of names is followed a few steps; a ring of them ends there.
        for _ in 0..4 {
            let Some(target) = names.get(&path.segments[0]) else { break };
            if target.first() == path.segments.first() || (path.is_use && *target == path.segments) {
                break;
            }
            path.segments.splice(0..1, target.iter().cloned());
        }
    }
}
