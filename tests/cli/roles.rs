//! Who may do what: every role against every command, and the page that says so.

use std::collections::BTreeMap;
use std::path::Path;

use crate::home::{Home, Run, SAMPLE};

const PAGE: &str = "docs/roles.md";

/// What comes of a command for a role.
#[derive(Clone, Copy, PartialEq)]
enum May {
    Yes,
    /// It holds no key that would do it: no program does.
    Key,
    /// This program refuses; another one could.
    Tool,
    /// The command asks for no credential.
    Anybody,
}

use May::{Anybody, Key, Tool, Yes};

const ROLES: [&str; 4] = ["reader", "depositor", "janitor", "auditor"];

/// Every command, with what it is called with here, and what reader, depositor, janitor and auditor may.
const TABLE: &[(&[&str], &[&str], [May; 4])] = &[
    (&["init"], &[], [Anybody; 4]),
    (&["import"], &[SAMPLE], [Key, Yes, Key, Key]),
    (&["list"], &[], [Yes, Key, Key, Key]),
    (&["show"], &["ID"], [Yes, Key, Key, Key]),
    (&["search"], &["bake"], [Yes, Key, Key, Key]),
    (&["tag"], &["title:bread", "--add", "x"], [Key; 4]),
    (&["export"], &["ID", "--format", "original", "--plaintext", "-o", "OUT"], [Yes, Key, Key, Key]),
    (&["verify"], &["POLICY"], [Anybody; 4]),
    (&["excerpt"], &["POLICY", "-o", "OUT"], [Anybody; 4]),
    (&["copies", "list"], &[], [Yes, Key, Tool, Key]),
    (&["copies", "add"], &["stick"], [Tool, Key, Tool, Key]),
    (&["copies", "gone"], &["0000"], [Tool, Key, Tool, Key]),
    (&["erase"], &["id:ID", "--yes"], [Key, Key, Tool, Key]),
    (&["policy", "check"], &["POLICY"], [Anybody; 4]),
    (&["policy", "set"], &["POLICY"], [Key; 4]),
    (&["policy", "show"], &[], [Key; 4]),
    (&["policy", "history"], &[], [Tool, Key, Tool, Key]),
    (&["hold", "place"], &["--reason", "x", "title:bread"], [Key; 4]),
    (&["hold", "release"], &["0000"], [Key; 4]),
    (&["hold", "list"], &[], [Key; 4]),
    (&["explain"], &["ID"], [Tool, Key, Key, Key]),
    (&["purge"], &["--yes"], [Key, Key, Yes, Key]),
    (&["restore"], &["ID"], [Key; 4]),
    (&["receipt", "list"], &[], [Tool; 4]),
    (&["receipt", "show"], &["1"], [Tool; 4]),
    (&["receipt", "verify"], &["POLICY"], [Anybody; 4]),
    (&["destroy-vault"], &["--yes-destroy", "vault.db"], [Tool; 4]),
    (&["audit", "log"], &[], [Key, Key, Key, Yes]),
    (&["audit", "verify"], &[], [Tool, Tool, Tool, Yes]),
    (&["audit", "checkpoint"], &[], [Key; 4]),
    (&["status"], &[], [Yes, Key, Tool, Key]),
    (&["check"], &[], [Tool, Key, Key, Key]),
    (&["doctor"], &[], [Anybody; 4]),
    (&["backup"], &["OUT2"], [Anybody; 4]),
    (&["recover"], &["POLICY"], [Key; 4]),
    (&["anchor", "show"], &[], [Tool, Key, Tool, Key]),
    (&["anchor", "move"], &["file:OUT3", "--yes"], [Key; 4]),
    (&["anchor", "replicate"], &["file:OUT3"], [Key, Key, Tool, Key]),
    (&["schedule", "install"], &["--method", "cron"], [Anybody; 4]),
    (&["schedule", "remove"], &[], [Anybody; 4]),
    (&["schedule", "show"], &[], [Anybody; 4]),
    (&["credential", "list"], &[], [Anybody; 4]),
    (&["credential", "add"], &["reader", "--key-file", "OUT3"], [Key; 4]),
    (&["credential", "revoke"], &["0000"], [Key; 4]),
    (
        &["credential", "passwd"],
        &["--new-password-file", "PASSWORD", "--unlock-cost", "minimum"],
        [Yes, Tool, Tool, Tool],
    ),
    (&["demo"], &[], [Anybody; 4]),
    (&["completions"], &["bash"], [Anybody; 4]),
    (&["man"], &[], [Anybody; 4]),
];

/// The table for the page.
fn table() -> String {
    let mut out =
        String::from("| Command | owner | reader | depositor | janitor | auditor |\n|---|---|---|---|---|---|\n");
    for (command, _, may) in TABLE {
        let words = may.map(|may| match may {
            Yes => "yes",
            Key => "– *key*",
            Tool => "– *tool*",
            Anybody => "yes",
        });
        let note = if may[0] == Anybody { " (asks for no credential)" } else { "" };
        out.push_str(&format!("| `{}`{note} | yes | {} |\n", command.join(" "), words.join(" | ")));
    }
    out
}

/// A vault with one key file for each role.
struct Office {
    home: Home,
    keys: BTreeMap<&'static str, String>,
}

impl Office {
    fn new() -> Self {
        let home = Home::with_sample();
        let mut keys = BTreeMap::new();
        for role in ROLES {
            let file = home.path(&format!("{role}.key")).to_str().expect("text").to_owned();
            home.run(["credential", "add", role, "--key-file", &file]).expect(0);
            keys.insert(role, file);
        }
        Self { home, keys }
    }

    fn run(&self, role: &str, words: &[&str]) -> Run {
        let mut command = self.home.bare(words);
        command.arg("--credential").arg(&self.keys[role]);
        self.home.finish(command)
    }
}

#[test]
fn every_role_meets_every_command_as_the_page_says() {
    let office = Office::new();
    let home = &office.home;
    let policy = home.input("policy.toml", "schema = \"convault.policy/1\"\n");
    let password = home.secret("new", "another password");
    let id = home.id("Bread for the supply boat");
    let out = |name: &str| home.path(&format!("out-{name}")).to_str().expect("text").to_owned();
    for (command, with, may) in TABLE {
        for (role, may) in ROLES.iter().zip(may) {
            // It has no credential to ask for.
            if *may == Anybody || *command == ["recover"] {
                continue;
            }
            let words: Vec<String> = command
                .iter()
                .chain(*with)
                .map(|word| {
                    let word = word.replace("POLICY", &policy).replace("PASSWORD", &password);
                    let word = word.replace("OUT", &out(&format!("{role}{}", command.join("-"))));
                    word.replace("ID", &id)
                })
                .collect();
            let words: Vec<&str> = words.iter().map(String::as_str).collect();
            let run = office.run(role, &words);
            match may {
                Yes if *command == ["credential", "passwd"] => {
                    assert_eq!(run.code, Some(1), "a key file has no password")
                }
                Yes => assert_eq!(run.code, Some(0), "{role} {words:?}: {}", run.stderr),
                _ => {
                    assert_eq!(run.code, Some(13), "{role} {words:?}: {} {}", run.text(), run.stderr);
                }
            }
        }
    }
    // Nothing that was refused has changed anything.
    assert_eq!(home.json(&["list"]).1["total"], 4);
    home.run(["check"]).expect(0);
}

#[test]
fn the_page_of_roles_has_every_command_and_is_this_table() {
    let home = Home::new();
    let help = |words: &[&str]| home.finish(home.bare(["help"].iter().chain(words))).expect(0).text();
    let names = |help: &str| {
        let lines = help.lines().skip_while(|line| *line != "Commands:").skip(1).take_while(|line| !line.is_empty());
        let names = lines.filter_map(|line| line.split_whitespace().next()).filter(|name| *name != "help");
        names.map(str::to_owned).collect::<Vec<_>>()
    };
    let mut all = Vec::new();
    for name in names(&help(&[])) {
        let inner = names(&help(&[&name]));
        match inner.is_empty() {
            true => all.push(name),
            false => all.extend(inner.into_iter().map(|inner| format!("{name} {inner}"))),
        }
    }
    let mut listed: Vec<String> = TABLE.iter().map(|(command, ..)| command.join(" ")).collect();
    all.sort();
    listed.sort();
    assert_eq!(listed, all);

    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join(PAGE);
    let page = std::fs::read_to_string(&path).expect("the page");
    let (start, rest) = page.split_once("<!-- table -->\n").expect("the table's place");
    let (written, end) = rest.split_once("<!-- end -->").expect("the table's end");
    if std::env::var_os("CONVAULT_BLESS").is_some() {
        std::fs::write(&path, format!("{start}<!-- table -->\n{}<!-- end -->{end}", table())).expect("written");
    } else {
        assert_eq!(written, table(), "CONVAULT_BLESS=1 cargo test --test cli roles writes it");
    }
}

#[test]
fn a_janitor_purges_with_no_password_and_its_receipt_holds() {
    let office = Office::new();
    let home = &office.home;
    let policy = home.input("policy.toml", "schema = \"convault.policy/1\"\ngrace = \"0d\"\n");
    home.run(["policy", "set", &policy]).expect(0);
    // Nothing is due; the run is one all the same, and changes the keys.
    let run = office.run("janitor", &["purge", "--json"]).expect(0);
    let done: serde_json::Value = serde_json::from_slice(&run.stdout).expect("JSON");
    assert_eq!((&done["destroyed"], &done["superseded"]), (&0.into(), &serde_json::Value::Null), "{done}");
    let (_, status) = home.json(&["status"]);
    assert_eq!((&status["generation"], status["last_purge"].is_string()), (&2.into(), true), "{status}");
    home.run(["check"]).expect(0);
    home.run(["audit", "verify"]).expect(0);
}

#[test]
fn what_is_deposited_is_there_after_an_owners_next_command_and_united_with_what_it_continues() {
    let office = Office::new();
    let home = &office.home;
    let line = |id: &str, text: &str| {
        format!(
            "{{\"title\":\"A hook\",\"conversation_id\":\"{id}\",\"mapping\":{{\"r\":{{\"id\":\"r\",\"parent\":null,\"children\":[\"m\"],\"message\":null}},\"m\":{{\"id\":\"m\",\"parent\":\"r\",\"children\":[],\"message\":{{\"id\":\"m\",\"author\":{{\"role\":\"user\"}},\"create_time\":1750000000.0,\"content\":{{\"content_type\":\"text\",\"parts\":[\"{text}\"]}}}}}}}},\"current_node\":\"m\",\"create_time\":1750000000.0,\"update_time\":1750000000.0}}"
        )
    };
    let file =
        home.input("conversations.json", format!("[{},{}]", line("h1", "first words"), line("h2", "other words")));
    let run = office.run("depositor", &["import", &file]).expect(0);
    assert!(run.stderr.contains("nobody sees it before the next purge"), "{}", run.stderr);
    // A reader sees that it waits, and nothing of it.
    let status = office.run("reader", &["status"]).expect(0).text();
    assert!(status.contains("2 waiting, class E1 until they are taken in"), "{status}");
    office.run("reader", &["search", "first words"]).expect(1);
    let run = home.run(["search", "first words"]).expect(0);
    assert!(run.stderr.contains("2 deposits taken in, 0 of them into"), "{}", run.stderr);
    // The same once more, and grown: one conversation, the earlier version of which is known.
    let file = home.input("conversations.json", format!("[{}]", line("h1", "changed words")));
    office.run("depositor", &["import", &file]).expect(0);
    office.run("depositor", &["import", &file]).expect(0);
    let run = home.run(["list"]).expect(0);
    assert!(run.stderr.contains("2 deposits taken in, 2 of them into"), "{}", run.stderr);
    assert_eq!(home.json(&["list", "title:hook"]).1["total"], 2);
    home.run(["search", "changed words"]).expect(0);
    home.run(["check"]).expect(0);
    // What was erased does not come back by a hook.
    home.run([
        "erase",
        &format!("id:{}", home.json(&["search", "changed words"]).1["hits"][0]["id"].as_str().unwrap()),
        "--yes",
    ])
    .expect(0);
    office.run("depositor", &["import", &file]).expect(0);
    let run = home.run(["list"]).expect(0);
    assert!(run.stderr.contains("erased before: erased again"), "{}", run.stderr);
    assert_eq!(home.json(&["list", "title:hook"]).1["total"], 1);
    home.run(["check"]).expect(0);
    let refused = office.run("depositor", &["import", &file, "--tag", "x"]);
    assert_eq!(refused.code, Some(2), "{}", refused.stderr);
}

#[test]
fn a_session_that_is_deposited_as_it_grows_is_one_conversation_with_all_of_it() {
    let office = Office::new();
    let home = &office.home;
    let message =
        |number: usize| format!("{{\"role\":\"user\",\"content\":\"words of message {number}\",\"id\":\"m{number}\"}}");
    for count in 1..=6 {
        let all: Vec<String> = (0..count).map(message).collect();
        let file = home.input("session.json", format!("{{\"id\":\"s\",\"messages\":[{}]}}", all.join(",")));
        office.run("depositor", &["import", "--format", "messages", &file]).expect(0);
    }
    let run = home.run(["list", "source:messages"]).expect(0);
    assert!(run.stderr.contains("6 deposits taken in, 5 of them into"), "{}", run.stderr);
    let (_, list) = home.json(&["list", "source:messages"]);
    assert_eq!((&list["total"], &list["conversations"][0]["messages"]), (&1.into(), &6.into()), "{list}");
    for number in 0..6 {
        home.run(["search", &format!("\"words of message {number}\"")]).expect(0);
    }
    home.run(["check"]).expect(0);
}

#[test]
fn a_revoked_key_file_opens_nothing_and_what_that_cannot_undo_is_said() {
    let office = Office::new();
    let home = &office.home;
    office.run("reader", &["list"]).expect(0);
    let (_, list) = home.json(&["credential", "list"]);
    let all = list["credentials"].as_array().expect("a list");
    let id =
        all.iter().find(|one| one["role"] == "reader").expect("a reader")["id"].as_str().expect("an id").to_owned();
    let said = home.run(["credential", "revoke", &id[..8]]).expect(0).text();
    assert!(said.contains("not undone:\n  what it read, exported or kept\n"), "{said}");
    office.run("reader", &["list"]).refused(12, "error: the key file is of no credential of this vault\n");
    office.run("janitor", &["purge"]).expect(0);
    home.run(["credential", "revoke", &id[..8]])
        .refused(1, "error: no credential has this id\nhint: convault credential list shows them\n");
    home.run(["check"]).expect(0);
}

#[test]
fn reads_stand_in_the_log_with_who_read_and_the_query_is_the_auditors() {
    let office = Office::new();
    let home = &office.home;
    let id = home.id("Bread for the supply boat");
    office.run("reader", &["search", "bake"]).expect(0);
    office.run("reader", &["show", &id]).expect(0);
    let out = home.path("bread").to_str().expect("text").to_owned();
    office.run("reader", &["export", &id, "--format", "original", "--plaintext", "-o", &out]).expect(0);
    let run = office.run("auditor", &["audit", "log", "--json", "--limit", "3"]).expect(0);
    let log: serde_json::Value = serde_json::from_slice(&run.stdout).expect("JSON");
    let entries = log["entries"].as_array().expect("a list");
    let words: Vec<(&str, &str, bool)> = entries
        .iter()
        .map(|one| {
            (one["action"].as_str().unwrap(), one["signer_role"].as_str().unwrap(), one["conversation"] == id.as_str())
        })
        .collect();
    assert_eq!(words, [("search", "reader", false), ("show", "reader", true), ("export", "reader", true)]);
    assert_eq!(entries[0]["query"], "bake");
    // In the file neither the query nor anything of it is to be seen, and no title in the whole log.
    let file = std::fs::read(home.vault()).expect("the vault");
    assert!(!crate::home::contains(&file, b"bake"));
    assert!(!String::from_utf8_lossy(&run.stdout).contains("Bread"));
}
