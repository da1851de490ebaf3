//! The checker: takes a tree of source files and says where it breaks the house's rules.

use std::collections::BTreeMap;

use super::paths::{Path, paths};
use super::tokens::{Token, reads, tokens};
use super::{CRATES, DOORS, HOUSE, IN_TESTS, LIBRARY, LONGEST_FILE, NAMES_TO_AVOID, REEXPORTS, UNITED};

/// Source files by their path below `src/`.
pub type Tree = BTreeMap<String, String>;

/// Everything in the tree that breaks a rule, as `file:line: what is wrong`.
pub fn violations(tree: &Tree) -> Vec<String> {
    let mut found = Vec::new();
    for (file, text) in tree {
        let mut report = |line: usize, what: String| found.push(format!("{file}:{line}: {what}"));
        let tokens = tokens(text);
        shape(file, text, &mut report);
        words(file, &tokens, &mut report);
        for path in paths(&tokens) {
            renamed_roots(&path, &mut report);
            modules(file, &path, &mut report);
            doors(file, &path, &mut report);
        }
    }
    found
}

/// What is wrong in the table itself.
pub fn table_violations(house: &[(&str, &[&str])]) -> Vec<String> {
    let mut found = Vec::new();
    for (module, may_use) in house {
        for used in may_use.iter().map(|path| head(path)) {
            match house.iter().position(|(name, _)| *name == used) {
                None => found.push(format!("{module} may use {used}, which is no module")),
                Some(_) if reaches(house, used, module, house.len()) => {
                    found.push(format!("{module} and {used} may use each other"));
                }
                Some(_) => {}
            }
        }
    }
    found
}

fn reaches(house: &[(&str, &[&str])], from: &str, to: &str, steps: usize) -> bool {
    let uses = house.iter().find(|(name, _)| *name == from).map_or(&[][..], |(_, may_use)| may_use);
    from == to || (steps > 0 && uses.iter().any(|used| reaches(house, head(used), to, steps - 1)))
}

fn head(path: &str) -> &str {
    path.split("::").next().unwrap_or(path)
}

/// The module of the house a file belongs to: its folder, or its name.
fn module_of(file: &str) -> &str {
    file.split('/').next().map_or(file, |first| first.strip_suffix(".rs").unwrap_or(first))
}

fn is_test_file(file: &str) -> bool {
    file.ends_with("/tests.rs") || file.contains("/tests/")
}

fn is_behind(file: &str, doors: &[&str]) -> bool {
    doors.iter().any(|door| file == *door || (door.ends_with('/') && file.starts_with(door)))
}

fn shape(file: &str, text: &str, report: &mut impl FnMut(usize, String)) {
    if !text.starts_with("//! ") {
        report(1, "does not open with `//! ` and its duty".to_owned());
    }
    let lines = text.lines().count();
    if lines > LONGEST_FILE {
        report(lines, format!("has more than {LONGEST_FILE} lines"));
    }
    for part in file.split('/').map(|part| part.strip_suffix(".rs").unwrap_or(part)) {
        if NAMES_TO_AVOID.contains(&part) {
            report(1, format!("`{part}` names no duty"));
        }
    }
    if !HOUSE.iter().any(|(module, _)| *module == module_of(file)) {
        report(1, format!("module `{}` is missing from the table", module_of(file)));
    }
}

fn words(file: &str, tokens: &[Token], report: &mut impl FnMut(usize, String)) {
    for (index, token) in tokens.iter().enumerate() {
        let (word, line) = (token.text.as_str(), token.line);
        let is_test = token.in_test || is_test_file(file);
        let is_macro = reads(tokens, index + 1, &["!"])
            && tokens.get(index + 2).is_some_and(|open| matches!(open.text.as_str(), "(" | "[" | "{"));
        let is_method = index > 0 && tokens[index - 1].text == "." && reads(tokens, index + 1, &["("]);
        match word {
            "println" | "eprintln" | "print" | "eprint" if is_macro && !is_test && !is_behind(file, UNITED) => {
                report(line, format!("`{word}!` is for the command line"));
            }
            "dbg" | "todo" | "unimplemented" if is_macro => report(line, format!("`{word}!` is unfinished work")),
            "include" if is_macro => report(line, "`include!` hides code from this test".to_owned()),
            "extract" if is_method => report(line, "`.extract(` writes where an archive says".to_owned()),
            "unwrap" if is_method && !is_test => report(line, "`.unwrap()` outside tests".to_owned()),
            "extern" if reads(tokens, index + 1, &["crate"]) => {
                report(line, "`extern crate` gives a crate a door".to_owned())
            }
            "path" if reads(tokens, index + 1, &["="]) && index > 0 && tokens[index - 1].text == "[" => {
                report(line, "`#[path]` puts a module where its file is not".to_owned());
            }
            "mod" if !is_test && reads(tokens, index + 1, &["tests"]) => {
                report(line, "`mod tests` without `#[cfg(test)]`".to_owned());
            }
            _ => {}
        }
    }
}

/// A root under another name, or all of it at once, would pass every other rule.
fn renamed_roots(path: &Path, report: &mut impl FnMut(usize, String)) {
    let root = path.segments[0].as_str();
    let is_root = matches!(root, "crate" | "super" | "std" | "core" | "alloc") || root == LIBRARY;
    let whole = match path.segments.get(1).map(String::as_str) {
        None | Some("self" | "*") => is_root && (root != "super" || path.alias.is_some()),
        _ => false,
    };
    if whole && (path.is_use || path.segments.len() == 1) && !matches!(root, "super" if path.alias.is_none()) {
        report(path.line, format!("`{root}` as a whole, or under another name"));
    }
}

/// The module of the house that a path leads to, with the rest of the path; `None` when it stays at home.
fn target(file: &str, path: &Path) -> Option<Vec<String>> {
    let mut home: Vec<&str> = file.split('/').collect();
    let last = home.pop().and_then(|name| name.strip_suffix(".rs"));
    home.extend(last.filter(|name| !matches!(*name, "mod" | "lib" | "main")));
    let root = path.segments[0].as_str();
    let inside = match root {
        "crate" => path.segments[1..].to_vec(),
        _ if root == LIBRARY => path.segments[1..].to_vec(),
        "super" => {
            let up = path.segments.iter().take_while(|segment| *segment == "super").count();
            let depth = home.len() + path.inline;
            if up < depth {
                return None;
            }
            path.segments[up..].to_vec()
        }
        _ if matches!(file, "lib.rs" | "main.rs") && HOUSE.iter().any(|(module, _)| *module == root) => {
            path.segments.clone()
        }
        _ => return None,
    };
    (inside.first().map(String::as_str) != Some(module_of(file))).then_some(inside)
}

fn modules(file: &str, path: &Path, report: &mut impl FnMut(usize, String)) {
    let Some(target) = target(file, path) else { return };
    let home = module_of(file);
    let named = target.join("::");
    let is_test = path.in_test || is_test_file(file);
    let granted = HOUSE.iter().chain(IN_TESTS.iter().filter(|_| is_test)).filter(|(module, _)| *module == home);
    let is_granted = |grant: &&str| named == *grant || named.starts_with(&format!("{grant}::"));
    if !granted.flat_map(|(_, may_use)| *may_use).any(is_granted) {
        report(path.line, format!("`{home}` may not use `{named}`"));
    }
    if path.is_reexport && !REEXPORTS.contains(&(home, named.as_str())) {
        report(path.line, format!("`{home}` passes on `{named}`"));
    }
}

fn doors(file: &str, path: &Path, report: &mut impl FnMut(usize, String)) {
    let is_test = path.in_test || is_test_file(file);
    let named = path.segments.join("::");
    if let Some((_, root, doors)) = CRATES.iter().find(|(_, root, _)| *root == path.segments[0]) {
        if !doors.contains(&"*") && !is_behind(file, doors) {
            report(path.line, format!("`{root}` may be named only by {}", doors.join(", ")));
        }
        if path.is_reexport {
            report(path.line, format!("`{}` passes on `{named}`", module_of(file)));
        }
    }
    for (prefix, doors) in DOORS {
        let is_it = named == *prefix || named.starts_with(&format!("{prefix}::"));
        if is_it && !is_test && !is_behind(file, doors) {
            report(path.line, format!("`{prefix}` is not for this file"));
        }
    }
    let last = path.segments.last().map_or("", String::as_str);
    let reads_clock = matches!(last, "now" | "system") && path.segments.len() > 1 && !named.starts_with("std::time::");
    if reads_clock && !is_test && !is_behind(file, UNITED) {
        report(path.line, format!("`{named}`: the time and its zone are arguments"));
    }
    // Other types have an `unwrap` of their own: that of a wrapped key opens it.
    if matches!(named.as_str(), "Option::unwrap" | "Result::unwrap") && !is_test {
        report(path.line, format!("`{named}` outside tests"));
    }
}
