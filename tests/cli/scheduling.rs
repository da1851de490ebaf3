//! Purges that run by themselves: put where systemd and cron look for them, taken away again, and run.
//!
//! `fakes/systemctl` and `fakes/crontab` stand in for the real ones. Nothing else is on the path of the program.

use std::collections::BTreeSet;
use std::fs;
use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::{Path, PathBuf};
use std::process::Command;

use serde_json::{Value, json};

use crate::home::{Home, Run, contains, mode};

/// A home with a vault and the key file of a janitor, and a path with fakes on it.
struct Machine {
    home: Home,
    vault: PathBuf,
    key: String,
}

impl Machine {
    fn with(fakes: &[&str]) -> Self {
        Self::at(fakes, "home/.local/share/convault/vault.db", "janitor key")
    }

    fn at(fakes: &[&str], vault: &str, key: &str) -> Self {
        let home = Home::new();
        fs::create_dir(home.path("bin")).expect("a folder");
        for fake in fakes {
            let real = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/cli/fakes").join(fake);
            symlink(real, home.path("bin").join(fake)).expect("linked");
        }
        let vault = home.path(vault);
        fs::create_dir_all(home.path(key).parent().expect("a folder")).expect("a folder");
        let key = home.path(key).to_str().expect("text").to_owned();
        let machine = Self { home, vault, key };
        machine.home.finish(machine.command(&["init", "--unlock-cost", "minimum"], true)).expect(0);
        let words = ["credential", "add", "janitor", "--key-file", &machine.key];
        machine.home.finish(machine.command(&words, true)).expect(0);
        machine
    }

    fn command(&self, words: &[&str], knows_password: bool) -> Command {
        let mut command = if knows_password { self.home.command(words) } else { self.home.bare(words) };
        // Far from UTC, in which the answers of systemctl are asked for.
        command.env("PATH", self.home.path("bin")).env("CONVAULT_VAULT", &self.vault).env("TZ", "Asia/Tokyo");
        command
    }

    /// Runs `schedule` without any password.
    fn schedule(&self, words: &[&str]) -> Run {
        self.home.finish(self.command(&[&["schedule"], words].concat(), false))
    }

    fn json(&self, words: &[&str]) -> Value {
        let run = self.schedule(&[words, &["--json"]].concat());
        serde_json::from_slice(&run.stdout).unwrap_or_else(|error| panic!("{words:?}: {error} {}", run.stderr))
    }

    fn install(&self, words: &[&str]) -> Run {
        self.schedule(&[&["install", "--credential", &self.key], words].concat())
    }

    /// From here on the fake fails when it is told this.
    fn fails(&self, fake: &str, words: &str) {
        fs::write(self.home.path("bin").join(format!("{fake}.fails")), words).expect("written");
    }

    fn log(&self) -> Vec<String> {
        let text = fs::read_to_string(self.home.path("bin/systemctl.log")).unwrap_or_default();
        let _ = fs::remove_file(self.home.path("bin/systemctl.log"));
        text.lines().map(str::to_owned).collect()
    }

    fn crontab(&self) -> Option<Vec<u8>> {
        fs::read(self.home.path("bin/crontab.kept")).ok()
    }

    fn set_crontab(&self, text: &[u8]) {
        fs::write(self.home.path("bin/crontab.kept"), text).expect("written");
    }

    /// What lies where systemd looks, by the end of its name.
    fn units(&self) -> Vec<(String, PathBuf)> {
        let entries = fs::read_dir(self.home.path("home/.config/systemd/user")).into_iter().flatten();
        let mut units: Vec<_> = entries
            .map(|entry| {
                let path = entry.expect("readable").path();
                let name = path.file_name().expect("a name").to_str().expect("text").to_owned();
                let tail = name.strip_prefix("convault-purge-").expect("ours");
                assert!(tail[..8].bytes().all(|byte| byte.is_ascii_hexdigit()), "{name}");
                (tail[8..].to_owned(), path)
            })
            .collect();
        units.sort();
        units
    }

    fn unit(&self, tail: &str) -> String {
        let units = self.units();
        let (_, path) = units.iter().find(|(name, _)| name == tail).unwrap_or_else(|| panic!("{tail} in {units:?}"));
        fs::read_to_string(path).expect("readable")
    }

    /// What the shell of cron is given at the start of the machine.
    fn cron_line(&self) -> String {
        let text = String::from_utf8(self.crontab().expect("a crontab")).expect("text");
        text.lines().find_map(|line| line.strip_prefix("@reboot ")).expect("a line").to_owned()
    }
}

fn names(units: &[(String, PathBuf)]) -> Vec<&str> {
    units.iter().map(|(name, _)| name.as_str()).collect()
}

#[test]
fn a_timer_is_installed_shown_replaced_and_removed() {
    let machine = Machine::with(&["systemctl", "crontab"]);
    let run = machine.install(&["--on-failure", "mail -s 100% me"]).expect(0);
    assert!(run.text().starts_with("systemd: every day at 04:30\n"), "{}", run.text());
    assert!(run.stderr.contains("loginctl enable-linger"), "{}", run.stderr);
    let units = machine.units();
    assert_eq!(names(&units), ["-failed.service", ".service", ".timer"]);
    let timer = units[2].1.file_name().expect("a name").to_str().expect("text").to_owned();
    let on_timer = |word: &str| format!("--user {word} {timer}");
    let started = ["--user daemon-reload".to_owned(), on_timer("enable"), on_timer("restart")];
    let log = machine.log();
    assert_eq!((log[0].as_str(), &log[1..4]), ("--user show-environment", &started[..]));
    assert_eq!(machine.crontab(), None);
    for (name, path) in &units {
        let bytes = fs::read(path).expect("readable");
        assert!(!contains(&bytes, b"nobody may read") && !contains(&bytes, b"correct horse"), "{name}");
        assert_eq!(mode(path), 0o600, "{name}");
    }
    let service = machine.unit(".service");
    let words = format!("\"--no-input\" \"--credential\" \"{}\" \"purge\" \"--yes\"\n", machine.key);
    assert!(service.contains(&words) && service.contains("OnFailure=convault-purge-"), "{service}");
    assert!(machine.unit("-failed.service").contains("\"mail -s 100%% me\""));

    let document = machine.json(&["show"]);
    let one = &document["schedules"][0];
    assert_eq!(document["schema"], "convault.schedule/1");
    assert_eq!((&one["method"], &one["at"]), (&json!("systemd"), &json!("04:30")));
    assert_eq!((&one["next"], &one["as_made"]), (&json!("2026-11-28T04:33:12Z"), &json!(true)));
    assert_eq!((&one["on_failure"], &one["credential_is_there"]), (&json!("mail -s 100% me"), &json!(true)));
    let command: Vec<&str> = one["command"].as_array().expect("words").iter().filter_map(Value::as_str).collect();
    let vault = machine.vault.to_str().expect("text");
    assert_eq!(
        command[1..],
        ["--vault", vault, "--no-input", "--credential", &machine.key, "purge", "--yes"],
        "{command:?}"
    );
    assert_eq!(command[0], env!("CARGO_BIN_EXE_convault"));

    // Another hour, nothing on failure any more, and an anchor file.
    let anchor = machine.home.path("an anchor");
    machine.log();
    machine.install(&["--at", "23:05", "--anchor-file", anchor.to_str().expect("text")]).expect(0);
    assert_eq!(names(&machine.units()), [".service", ".timer"]);
    assert!(machine.unit(".timer").contains("OnCalendar=*-*-* 23:05:00\nPersistent=true\n"));
    let service = machine.unit(".service");
    assert!(service.contains("/an anchor\" \"--no-input\"") && !service.contains("OnFailure"), "{service}");
    assert_eq!(machine.log()[1..4], started);

    let run = machine.schedule(&["remove"]).expect(0);
    let removed: String =
        [&units[1], &units[2]].map(|(_, path)| format!("removed from systemd: {}\n", path.display())).concat();
    assert_eq!(run.text(), removed);
    assert_eq!(machine.units(), []);
    assert_eq!(machine.log(), [on_timer("disable --now"), "--user daemon-reload".to_owned()]);
    for words in [["remove"], ["show"]] {
        let run = machine.schedule(&words);
        assert_eq!(run.code, Some(1), "{}", run.stderr);
        assert!(run.stderr.starts_with("error: nothing is scheduled for TEST/home/"), "{}", run.stderr);
    }
}

#[test]
fn a_systemctl_that_fails_leaves_everything_as_it_was() {
    let machine = Machine::with(&["systemctl"]);
    for words in ["daemon-reload", "enable", "restart"] {
        machine.fails("systemctl", &format!("--user {words}"));
        let run = machine.install(&["--on-failure", "x"]);
        assert_eq!(run.code, Some(1), "{}", run.stderr);
        let said = format!("error: systemctl --user {words}");
        assert!(run.stderr.starts_with(&said), "{}", run.stderr);
        assert!(run.stderr.contains(": exit status: 1: Failed to connect to bus"), "{}", run.stderr);
        assert!(run.stderr.contains("hint: nothing was changed"), "{}", run.stderr);
        assert_eq!(machine.units(), [], "{words}");
    }
    assert!(machine.log().iter().any(|line| line.starts_with("--user disable --now convault-purge-")));
    fs::remove_file(machine.home.path("bin/systemctl.fails")).expect("removed");
    machine.install(&[]).expect(0);
    let before: Vec<String> = [".service", ".timer"].map(|tail| machine.unit(tail)).into();
    machine.fails("systemctl", "restart");
    assert_eq!(machine.install(&["--at", "01:01", "--on-failure", "x"]).code, Some(1));
    assert_eq!(names(&machine.units()), [".service", ".timer"]);
    assert_eq!(before, [".service", ".timer"].map(|tail| machine.unit(tail)));
    // What cannot be stopped is not taken away either.
    machine.fails("systemctl", "disable");
    let run = machine.schedule(&["remove"]);
    assert!(run.code == Some(1) && run.stderr.contains("hint: nothing was removed"), "{}", run.stderr);
    assert_eq!(names(&machine.units()), [".service", ".timer"]);
}

#[test]
fn a_block_of_the_crontab_is_installed_shown_replaced_and_removed() {
    let machine = Machine::with(&["crontab"]);
    // Without one of theirs, none is left behind.
    machine.install(&[]).expect(0);
    machine.schedule(&["remove"]).expect(0);
    assert_eq!(machine.crontab(), None);
    let theirs = b"# mine \xff\n\n5 5 * * * date +\\%F\r\n@daily x # convault purge\n";
    machine.set_crontab(theirs);
    let run = machine.install(&["--at", "23:05"]).expect(0);
    assert!(run.text().starts_with("cron: every day at 23:05\n"), "{}", run.text());
    assert!(run.stderr.contains("when the machine starts"), "{}", run.stderr);
    machine.install(&["--at", "04:07", "--on-failure", "echo a; echo b"]).expect(0);
    let kept = machine.crontab().expect("a crontab");
    assert!(kept.starts_with(theirs));
    let block = String::from_utf8(kept[theirs.len()..].to_vec()).expect("text");
    let lines: Vec<&str> = block.lines().collect();
    assert_eq!(lines.len(), 5, "{block}");
    assert!(lines[0].starts_with("# convault purge ") && lines[0].ends_with(" begin"), "{block}");
    assert!(lines[2].starts_with("7 4 * * * '") && lines[3].starts_with("@reboot '"), "{block}");
    assert!(lines[2].ends_with(" 'purge' '--yes' >/dev/null || /bin/sh -c 'echo a; echo b'"), "{block}");
    assert!(!block.contains("nobody may read") && lines[4].ends_with(" end"), "{block}");

    let one = &machine.json(&["show"])["schedules"][0];
    assert_eq!((&one["method"], &one["at"], &one["next"]), (&json!("cron"), &json!("04:07"), &Value::Null));
    assert_eq!((&one["places"], &one["as_made"]), (&json!(["crontab"]), &json!(true)));
    machine.set_crontab(&[theirs, block.replace("7 4 *", "7 5 *").as_bytes()].concat());
    fs::remove_file(&machine.key).expect("removed");
    let run = machine.schedule(&["show"]).expect(0);
    assert!(run.stderr.contains("is not there: every run fails"), "{}", run.stderr);
    assert!(run.stderr.contains("something else than this version"), "{}", run.stderr);

    machine.schedule(&["remove"]).expect(0);
    assert_eq!(machine.crontab().as_deref(), Some(&theirs[..]));
    assert_eq!(machine.schedule(&["remove"]).code, Some(1));
}

#[test]
fn a_crontab_that_may_not_be_touched_stays_as_it_is() {
    let machine = Machine::with(&["crontab"]);
    let theirs = b"@daily x\n# convault purge";
    machine.set_crontab(theirs);
    for words in ["-l", "-"] {
        machine.fails("crontab", words);
        let run = machine.install(&[]);
        assert_eq!(run.code, Some(1), "{}", run.stderr);
        let said = format!("error: crontab {words}: exit status: 1: you (me) are not allowed");
        assert!(run.stderr.contains(&said), "{}", run.stderr);
        assert_eq!(machine.crontab().as_deref(), Some(&theirs[..]));
    }
    fs::remove_file(machine.home.path("bin/crontab.fails")).expect("removed");
    machine.install(&[]).expect(0);
    let kept = String::from_utf8(machine.crontab().expect("a crontab")).expect("text");
    let begun = kept.lines().filter(|line| !line.ends_with(" end")).map(|line| format!("{line}\n")).collect::<String>();
    machine.set_crontab(begun.as_bytes());
    for words in [&["show"][..], &["remove"], &["install", "--credential", &machine.key]] {
        let run = machine.schedule(words);
        assert_eq!(run.code, Some(1), "{}", run.stderr);
        assert!(run.stderr.contains("without its other one\nhint: mend the crontab"), "{}", run.stderr);
    }
    assert_eq!(machine.crontab(), Some(begun.into_bytes()));
}

#[test]
fn another_method_takes_the_place_of_the_one_before() {
    let machine = Machine::with(&["systemctl", "crontab"]);
    machine.install(&["--method", "cron"]).expect(0);
    assert!(machine.crontab().is_some() && machine.units().is_empty());
    machine.install(&["--method", "systemd"]).expect(0);
    assert!(machine.crontab().is_none() && machine.units().len() == 2);
    machine.fails("systemctl", "disable");
    let run = machine.install(&["--method", "cron"]);
    assert_eq!(run.code, Some(3), "{}", run.stderr);
    assert!(run.stderr.contains("warning: what systemd ran before is still there"), "{}", run.stderr);
    assert_eq!(machine.json(&["show"])["schedules"].as_array().map(Vec::len), Some(2));
    fs::remove_file(machine.home.path("bin/systemctl.fails")).expect("removed");
    assert_eq!(machine.json(&["remove"])["schedules"].as_array().map(Vec::len), Some(2));
    assert!(machine.crontab().is_none() && machine.units().is_empty());
}

#[test]
fn what_cannot_work_is_refused_before_anything_is_written() {
    let machine = Machine::with(&["systemctl", "crontab"]);
    let refused = |run: Run, code: i32, said: &str| {
        assert_eq!(run.code, Some(code), "{}", run.stderr);
        assert!(run.stderr.contains(said), "{said} in {}", run.stderr);
    };
    refused(machine.install(&["--at", "4:30"]), 2, "\"4:30\" is no time of day\nhint: give hours and minutes");
    refused(machine.install(&["--on-failure", "a\nb"]), 1, "the command on failure has a control character");
    let other = machine.home.path("elsewhere.db");
    refused(machine.install(&["--vault", other.to_str().expect("text")]), 10, "no vault at TEST/elsewhere.db");
    let key = |path: &str| machine.schedule(&["install", "--credential", path]);
    refused(key("nowhere"), 1, "TEST/in/nowhere: no such file\nhint: --credential names the key file");
    refused(key(machine.home.path("in").to_str().expect("text")), 1, "TEST/in is not a regular file");
    fs::set_permissions(&machine.key, fs::Permissions::from_mode(0o640)).expect("allowed");
    refused(machine.install(&[]), 1, "others may read or change TEST/janitor key (mode 0640)\nhint: run: chmod 600");
    fs::set_permissions(&machine.key, fs::Permissions::from_mode(0o600)).expect("allowed");
    if cfg!(target_os = "linux") {
        refused(machine.install(&["--method", "launchd"]), 2, "only macOS has launchd");
    }
    let bare = Machine::with(&[]);
    if cfg!(target_os = "linux") {
        refused(bare.install(&[]), 1, "nothing here can run a purge");
    }
    refused(bare.install(&["--method", "cron"]), 1, "error: there is no crontab here\nhint: nothing was changed");
    for machine in [machine, bare] {
        assert_eq!((machine.units(), machine.crontab()), (Vec::new(), None));
    }
}

/// What a path may not be called.
const HOSTILE: &str = "out/it's \"100%\" $HOME `id` \\%h; é";

#[test]
fn a_line_of_the_crontab_starts_the_program_and_its_failure_runs_the_command() {
    let machine = Machine::at(&["crontab"], &format!("{HOSTILE}/vault.db"), &format!("{HOSTILE}/key"));
    let told = machine.home.path("told");
    let on_failure = format!("echo \"100% failed\" > '{}'; exit 9", told.display());
    machine.install(&["--on-failure", &on_failure]).expect(0);
    let run = machine.schedule(&["show"]).expect(0);
    assert_eq!(run.stderr, "");
    // The janitor's key is gone; without the command the shell ends with the program's own exit code.
    fs::remove_file(&machine.key).expect("removed");
    let shell = |line: &str| {
        let mut shell = Command::new("/bin/sh");
        shell.arg("-c").arg(line).env_clear().env("HOME", machine.home.path("home"));
        machine.home.finish(shell)
    };
    let line = machine.cron_line();
    let run = shell(&line);
    assert_eq!((run.code, run.text().as_str()), (Some(9), ""));
    assert!(run.stderr.starts_with("error: "), "{}", run.stderr);
    assert!(!run.stderr.contains("no vault") && !run.stderr.contains("Usage"), "{}", run.stderr);
    assert_eq!(fs::read_to_string(&told).expect("told"), "100% failed\n");
    let alone = shell(line.split(" || /bin/sh -c ").next().expect("a line"));
    assert!(!matches!(alone.code, Some(0 | 2 | 9 | 10) | None), "{:?} {}", alone.code, alone.stderr);
    // The path that it was given is this one and no other.
    fs::remove_file(&machine.vault).expect("removed");
    let gone = shell(&line);
    assert!(gone.stderr.contains(&format!("no vault at TEST/{HOSTILE}/vault.db")), "{}", gone.stderr);
    machine.schedule(&["remove"]).expect(0);
    assert_eq!(machine.crontab(), None);
}

#[test]
fn systemd_takes_the_units_for_hostile_paths() {
    let machine = Machine::at(&["systemctl"], &format!("{HOSTILE}/vault.db"), &format!("{HOSTILE}/key"));
    let mut command = machine.command(
        &["schedule", "install", "--credential", &machine.key, "--on-failure", "echo \"$0 100%\" 'x' \\"],
        false,
    );
    command.env("XDG_STATE_HOME", machine.home.path(HOSTILE));
    machine.home.finish(command).expect(0);
    let units = machine.units();
    assert_eq!(units.len(), 3);
    assert!(machine.unit(".service").contains("/out/it's \\\"100%%\\\" $$HOME `id` \\\\%%h; é/vault.db\""));
    let mut verify = Command::new("systemd-analyze");
    verify.args(["--user", "verify"]).args(units.iter().map(|(_, path)| path));
    verify.env("XDG_RUNTIME_DIR", machine.home.path("tmp")).env("HOME", machine.home.path("home"));
    // Only where there is one; the words are read back in the tests of the library too.
    if let Ok(output) = verify.output() {
        let said = String::from_utf8_lossy(&output.stderr).into_owned();
        assert!(output.status.success() && !said.contains("convault-purge"), "{said}");
    }
}

#[test]
fn every_field_of_the_document_is_documented() {
    const CLI: &str = include_str!("../../docs/cli.md");
    let machine = Machine::with(&["systemctl"]);
    machine.install(&["--on-failure", "x"]).expect(0);
    let start = CLI.find("`convault.schedule/1`").expect("documented");
    let paragraph = CLI[start..].split("\n\n").next().expect("a paragraph");
    let document = machine.json(&["show"]);
    let of = |value: &Value| value.as_object().expect("an object").keys().cloned().collect::<BTreeSet<_>>();
    for name in of(&document).union(&of(&document["schedules"][0])).filter(|name| *name != "schema") {
        assert!(paragraph.contains(&format!("`{name}`")), "{name}");
    }
}
