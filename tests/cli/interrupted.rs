//! An import that is stopped, and a reader that goes away.

use std::fs;
use std::process::{Child, Command, Stdio};

use crate::exports::{conversation, export};
use crate::home::{Home, SAMPLE};

/// Enough to be under way when the signal comes.
const MANY: usize = 6000;

/// Waits until the process has a handler for SIGINT, or has ended.
fn until_it_listens(child: &mut Child) {
    const SIGINT: u32 = 2;
    loop {
        let status = fs::read_to_string(format!("/proc/{}/status", child.id())).unwrap_or_default();
        let caught = status.lines().find_map(|line| line.strip_prefix("SigCgt:"));
        let caught = caught.and_then(|mask| u64::from_str_radix(mask.trim(), 16).ok()).unwrap_or(0);
        if caught & (1 << (SIGINT - 1)) != 0 || child.try_wait().expect("a child").is_some() {
            return;
        }
        std::thread::yield_now();
    }
}

fn interrupt(child: &Child) {
    // The process may have ended meanwhile, which the exit code tells.
    let status = Command::new("kill").args(["-INT", &child.id().to_string()]).stderr(Stdio::null()).status();
    status.expect("kill is there");
}

#[test]
#[cfg(target_os = "linux")]
fn an_interrupted_import_stores_nothing_and_can_be_run_again() {
    let home = Home::with_sample();
    let text = "a sentence that is repeated until there is something to do ".repeat(40);
    let many: Vec<_> = (0..MANY).map(|n| conversation(&format!("n{n}"), "Long", &[&text])).collect();
    let input = home.input("many.json", export(&many));
    // Once politely, once twice in a row: the second signal ends it at once, in the middle of a transaction.
    for signals in [1, 2] {
        let mut command = home.command(["import", SAMPLE, &input]);
        let mut child = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().expect("it starts");
        until_it_listens(&mut child);
        for _ in 0..signals {
            interrupt(&child);
        }
        let output = child.wait_with_output().expect("it ends");
        let stderr = String::from_utf8_lossy(&output.stderr);
        let stored = home.json(&["list", "--limit", "1"]).1["total"].as_u64().expect("a number");
        match output.status.code() {
            Some(130) => {
                assert_eq!(stored, 4, "{stderr}");
                let expected =
                    "error: interrupted; nothing was stored\nhint: run the same import again to complete it\n";
                let after_one = "error: interrupted; 1 input before this one stored\nhint: run the same import again to complete it\n";
                assert!([expected, after_one].contains(&&*stderr) || (signals == 2 && stderr.is_empty()), "{stderr}");
            }
            // The machine was faster than the signal.
            Some(0) => assert_eq!(stored, 4 + MANY as u64),
            code => panic!("{code:?} {stderr}"),
        }
        home.run(["check", "--quiet"]).expect(0);
    }
    home.run(["import", &input]).expect(0);
    assert_eq!(home.json(&["list", "--limit", "1"]).1["total"], 4 + MANY as u64);
}

#[test]
fn a_reader_that_goes_away_is_no_error() {
    let home = Home::with_sample();
    for arguments in [&["list"][..], &["list", "--json"], &["completions", "bash"], &["search", "~a"]] {
        let (reader, writer) = std::io::pipe().expect("a pipe");
        drop(reader);
        let mut command = home.command(arguments);
        let child = command.arg("--quiet").stdout(writer).stderr(Stdio::piped()).spawn().expect("it starts");
        drop(command);
        let output = child.wait_with_output().expect("it ends");
        assert_eq!(
            (output.status.code(), String::from_utf8_lossy(&output.stderr).as_ref()),
            (Some(0), ""),
            "{arguments:?}"
        );
    }
}
