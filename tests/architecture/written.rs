//! What is written about the house, held against the tables and `Cargo.toml`.

use std::collections::BTreeMap;
use std::path::Path;

use super::{CRATES, HOUSE};

fn read(file: &str) -> String {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join(file);
    std::fs::read_to_string(&path).unwrap_or_else(|error| panic!("{file}: {error}"))
}

/// The cells of the table rows below a heading, without their backquotes.
fn rows(text: &str, heading: &str) -> Vec<Vec<String>> {
    let below = text.lines().skip_while(|line| *line != heading).skip(1).take_while(|line| !line.starts_with('#'));
    let cells = |line: &str| {
        line.trim_matches('|').split('|').map(|cell| cell.trim().replace('`', "")).collect::<Vec<String>>()
    };
    below.filter(|line| line.starts_with("| `")).map(cells).collect()
}

/// Name and version of every dependency in a section of `Cargo.toml`.
fn dependencies(cargo: &str, section: &str) -> BTreeMap<String, String> {
    let lines = cargo.lines().skip_while(|line| *line != section).skip(1).take_while(|line| !line.starts_with('['));
    let entry = |line: &str| {
        let (name, rest) = line.split_once(" = ").unwrap_or_else(|| panic!("`{line}` is no dependency"));
        let version = rest.split('"').nth(1).unwrap_or_else(|| panic!("`{line}` has no version"));
        (name.to_owned(), version.to_owned())
    };
    lines.filter(|line| !line.trim().is_empty() && !line.starts_with('#')).map(entry).collect()
}

#[test]
fn the_page_on_architecture_has_this_table() {
    let written: BTreeMap<_, _> = rows(&read("docs/architecture.md"), "## Who may use whom")
        .into_iter()
        .map(|row| (row[0].clone(), row[1].clone()))
        .collect();
    let built: BTreeMap<_, _> = HOUSE
        .iter()
        .filter(|(module, _)| !matches!(*module, "lib" | "main"))
        .map(|(module, may_use)| {
            ((*module).to_owned(), if may_use.is_empty() { "–".to_owned() } else { may_use.join(", ") })
        })
        .collect();
    assert_eq!(written, built);
}

#[test]
fn every_dependency_has_its_reason_and_its_door() {
    let (cargo, page) = (read("Cargo.toml"), read("docs/dependencies.md"));
    let present = dependencies(&cargo, "[dependencies]");
    assert!(present.len() > 10, "the dependencies were not found");
    let written: BTreeMap<_, _> =
        rows(&page, "## Of the program").into_iter().map(|row| (row[0].clone(), row[1].clone())).collect();
    assert_eq!(written, present, "docs/dependencies.md and Cargo.toml");
    let with_door: Vec<_> = CRATES.iter().map(|(name, ..)| (*name).to_owned()).collect();
    assert_eq!(with_door, present.into_keys().collect::<Vec<_>>(), "the table of doors and Cargo.toml");
    for row in rows(&page, "## Of the program") {
        let (.., doors) = CRATES.iter().find(|(name, ..)| *name == row[0]).expect("every dependency has a door");
        let doors = if doors.contains(&"*") { "any module".to_owned() } else { doors.join(", ") };
        assert_eq!(row[3], doors, "where {} may be named", row[0]);
        assert!(row[4].len() > 20, "{} has no reason", row[0]);
    }
}

#[test]
fn every_dependency_of_the_tests_has_its_reason() {
    let present = dependencies(&read("Cargo.toml"), "[dev-dependencies]");
    let written: BTreeMap<_, _> = rows(&read("docs/dependencies.md"), "## Of the tests")
        .into_iter()
        .map(|row| (row[0].clone(), row[1].clone()))
        .collect();
    assert_eq!(written, present);
}
