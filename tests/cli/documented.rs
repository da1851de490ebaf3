//! README and `docs/cli.md` against the program: every option is documented, every example is real.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use serde_json::Value;

use crate::home::{Home, SAMPLE};

const README: &str = include_str!("../../README.md");
const CLI: &str = include_str!("../../docs/cli.md");

/// The names under `Commands:` in a help text.
fn subcommands(help: &str) -> Vec<String> {
    let lines = help.lines().skip_while(|line| *line != "Commands:").skip(1);
    let names = lines.take_while(|line| !line.is_empty()).filter_map(|line| line.split_whitespace().next());
    names.filter(|name| *name != "help").map(str::to_owned).collect()
}

/// The section of the page with this heading, up to the next of its level.
fn section<'p>(page: &'p str, heading: &str) -> &'p str {
    let start = page.find(heading).unwrap_or_else(|| panic!("no section {heading}"));
    let rest = &page[start + heading.len()..];
    rest.split("\n### ").next().and_then(|rest| rest.split("\n## ").next()).unwrap_or_default()
}

#[test]
fn every_command_and_option_of_the_help_is_documented() {
    let home = Home::new();
    let help = |words: &[&str]| home.finish(home.bare(["help"].iter().chain(words))).expect(0).text();
    let common = section(CLI, "\n## Options of every command\n");
    let mut options = 0;
    let mut commands: Vec<Vec<String>> = subcommands(&help(&[])).into_iter().map(|name| vec![name]).collect();
    assert!(commands.len() >= 14, "{commands:?}");
    while let Some(command) = commands.pop() {
        let words: Vec<&str> = command.iter().map(String::as_str).collect();
        let text = help(&words);
        let inner = subcommands(&text);
        if !inner.is_empty() {
            commands.extend(inner.into_iter().map(|name| [command.clone(), vec![name]].concat()));
            continue;
        }
        let heading = format!("\n### {}", words.join(" "));
        let own = section(CLI, &heading);
        let long = text.split_whitespace().filter(|word| word.starts_with("--") && word.len() > 2);
        for option in long.map(|word| word.trim_end_matches([',', '.', ';', ':', ')'])) {
            let is_there = |page: &str| page.contains(&format!("`{option}`")) || page.contains(&format!("`{option} "));
            assert!(is_there(own) || is_there(common), "{option} of {heading}");
            options += 1;
        }
    }
    assert!(options > 100, "{options} options were found");
}

/// Every name of a field in a document, those of counts by free words left out.
fn fields(value: &Value, names: &mut BTreeSet<String>) {
    match value {
        Value::Object(object) => {
            for (name, value) in object {
                names.insert(name.clone());
                if !["unknown", "repaired", "left_out", "unknown_files", "passed_over", "counts"]
                    .contains(&name.as_str())
                {
                    fields(value, names);
                }
            }
        }
        Value::Array(values) => values.iter().for_each(|value| fields(value, names)),
        _ => {}
    }
}

#[test]
fn every_json_field_is_documented_with_its_schema() {
    let home = Home::with_sample();
    let id = home.id("Bread for the supply boat");
    let out = home.path("out/x.json");
    let new = home.secret("new", "another");
    let receipt = home.vault().with_extension("db.receipts").join("000001.json");
    let receipt = receipt.to_str().expect("text");
    let copy = home.path("out/copy.db");
    let policy = home.input("policy.toml", "schema = \"convault.policy/1\"\n[default]\ndelete = \"1d\"\n");
    let commands: [&[&str]; 30] = [
        &["import", SAMPLE],
        &["list"],
        &["show", &id, "--all"],
        &["search", "bake"],
        &["tag", "title:bread", "--add", "x"],
        &["export", &id, "--format", "original", "--plaintext", "-o", out.to_str().expect("text")],
        &["status"],
        &["check"],
        &["backup", copy.to_str().expect("text")],
        &["doctor"],
        &["credential", "list"],
        &["show", "0000"],
        &["policy", "check", &policy],
        &["policy", "set", &policy],
        &["policy", "show"],
        &["policy", "history"],
        &["hold", "place", "--reason", "x", "title:cat"],
        &["hold", "list"],
        &["explain", &id],
        &["purge", "--dry-run", "--at", "2099-01-01"],
        &["restore", &id],
        &["erase", "title:bread", "--yes"],
        &["audit", "log"],
        &["audit", "verify"],
        &["audit", "checkpoint"],
        &["receipt", "list"],
        &["anchor", "show"],
        &["receipt", "verify", receipt],
        &["demo"],
        &["credential", "passwd", "--unlock-cost", "minimum", "--new-password-file", &new],
    ];
    let mut schemas = BTreeSet::new();
    for command in commands {
        let (_, document) = home.json(command);
        let schema = document["schema"].as_str().expect("a schema").to_owned();
        let start = CLI.find(&format!("`{schema}`")).unwrap_or_else(|| panic!("{schema} is not documented"));
        let paragraph = CLI[start..].split("\n\n").next().unwrap_or_default();
        let mut names = BTreeSet::new();
        match schema.as_str() {
            // Its steps hold the other documents.
            "convault.demo/1" => names.extend(["steps", "command", "why", "result"].map(str::to_owned)),
            _ => fields(&document, &mut names),
        }
        for name in names.iter().filter(|name| *name != "schema") {
            assert!(paragraph.contains(&format!("`{name}`")), "{name} of {schema}");
        }
        schemas.insert(schema);
    }
    assert_eq!(schemas.len(), commands.len());
}

#[test]
fn the_session_in_the_readme_is_what_happens() {
    let block = README.split("```console\n").nth(1).and_then(|rest| rest.split("```").next()).expect("a session");
    let home = Home::new();
    // The ids of the page stand for those of this run, in the order of the list.
    let mut ids: BTreeMap<String, String> = BTreeMap::new();
    let mut steps = 0;
    for step in block.split("$ convault ").skip(1) {
        let (line, expected) = step.split_once('\n').expect("a line");
        let mut words: Vec<String> = line.split(' ').map(|word| word.replace('\'', "")).collect();
        // The one quoted argument of the session holds spaces.
        if let Some((start, end)) = line.split_once('\'').map(|(start, rest)| (start, rest.trim_end_matches('\''))) {
            words = start.split_whitespace().map(str::to_owned).chain([end.to_owned()]).collect();
        }
        for word in &mut words {
            if let Some(id) = ids.get(word) {
                word.clone_from(id);
            }
        }
        if words[0] == "init" {
            words.extend(["--unlock-cost".to_owned(), "minimum".to_owned()]);
        }
        let mut command = home.command(&words);
        command.current_dir(env!("CARGO_MANIFEST_DIR"));
        if words[0] == "export" {
            command.current_dir(home.path("out"));
        }
        let run = home.finish(command).expect(0);
        let said = format!("{}{}", run.text(), run.stderr);
        for (page, real) in expected.lines().zip(said.lines()).filter(|_| words[0] == "list") {
            ids.insert(page[..8].to_owned(), real[..8].to_owned());
        }
        let sizes = |text: &str| match words[0].as_str() {
            // Sealed sizes may differ from one build of a compressor to the next.
            "erase" => {
                Some(text.split(" read)").map(|one| one.rsplit_once(" (").map_or(one, |(line, _)| line)).collect())
            }
            "check" => text.split_once(", ").and_then(|(start, rest)| Some(start.to_owned() + rest.split_once(')')?.1)),
            _ => Some(text.to_owned()),
        };
        let expected = home.masked(&expected.replace("/home/you/", "TEST/home/"));
        assert_eq!(
            sizes(&home.masked(&said)).expect("sizes"),
            sizes(&(expected.trim_end().to_owned() + "\n")).expect("sizes"),
            "{line}"
        );
        steps += 1;
    }
    assert!(steps >= 10, "{steps} steps");
}

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

/// The table of formats, from the registry.
fn table_of_formats() -> String {
    let mut table = String::from("| `--format` | Reads | Keeps | The source itself loses |\n|---|---|---|---|\n");
    for format in convault::import::FORMATS {
        let own = format!("docs/formats/{}.md", format.name());
        let page = if root().join(&own).exists() { own.as_str() } else { "docs/formats/generic.md" };
        assert!(root().join(page).exists(), "{page}");
        for cell in [format.about(), format.keeps(), format.loses()] {
            assert!(!cell.is_empty() && !cell.contains(['|', '\n']) && !cell.ends_with('.'), "{cell}");
        }
        let cells = [
            format!("[`{}`]({page})", format.name()),
            format.about().into(),
            format.keeps().into(),
            format.loses().into(),
        ];
        table.push_str(&format!("| {} |\n", cells.join(" | ")));
    }
    table
}

/// `CONVAULT_BLESS=1` writes the table anew.
#[test]
fn the_formats_of_the_readme_are_those_of_the_registry() {
    let path = root().join("README.md");
    let readme = std::fs::read_to_string(&path).expect("readable");
    let begin = readme.find("| `--format` |").expect("the table is there");
    let end = begin + readme[begin..].find("\n\n").expect("it ends") + 1;
    let table = table_of_formats();
    if std::env::var_os("CONVAULT_BLESS").is_some() {
        std::fs::write(&path, format!("{}{table}{}", &readme[..begin], &readme[end..])).expect("writable");
    }
    let readme = std::fs::read_to_string(&path).expect("readable");
    assert!(readme.contains(&table), "the table of formats is not\n{table}");
}
