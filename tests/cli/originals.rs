//! The source's bytes of a conversation, given back as they came.

use std::fs;
use std::process::Stdio;

use crate::exports::conversation;
use crate::home::{Home, mode};

#[test]
fn an_original_is_the_source_byte_for_byte() {
    let home = Home::with_vault();
    // White space, escapes and key order that no writer of ours would make.
    let first =
        conversation("a", "Soup", &["salt\u{1F9C2}?"]).to_string().replace("\"id\":\"a\",", "\"id\" :\t\"a\",\r\n  ");
    let second =
        conversation("b", "Nails", &["x"]).to_string().replace("\"title\":\"Nails\"", "\"title\":\"N\\u0061ils\"");
    assert!(first.contains("\"id\" :\t") && second.contains("N\\u0061ils"));
    let input = home.input("odd.json", format!("\u{feff}[\n {first} ,\n\n\t{second}\n]\n"));
    home.run(["import", &input]).expect(0);

    let id = home.id("Nails");
    let out = home.path("out/nails.json");
    let out_text = out.to_str().expect("text");
    let export = ["export", &id, "--format", "original"];
    home.run(export.iter().chain(&["-o", out_text])).refused(
        2,
        "error: it is not said how the export is protected\nhint: encrypt it with --to age1…, --passphrase or --passphrase-file FILE, or agree to --plaintext\n",
    );
    assert!(!out.exists());

    let run = home.run(export.iter().chain(&["--plaintext", "-o", out_text])).expect(0);
    assert_eq!(fs::read(&out).expect("written"), second.as_bytes());
    assert_eq!(mode(&out), 0o600);
    let said = home.masked(&run.text());
    assert!(
        said.starts_with(&format!("wrote TEST/out/nails.json ({} bytes, unencrypted)\nsha256 ", second.len())),
        "{said}"
    );
    assert_eq!(fs::read_dir(home.path("out")).expect("readable").count(), 2, "what was asked for, and its manifest");

    // What exists is not replaced.
    fs::write(&out, "mine").expect("written");
    home.run(export.iter().chain(&["--plaintext", "-o", out_text]))
        .refused(1, "error: TEST/out/nails.json exists already\nhint: name another file, or replace it with --force\n");
    assert_eq!(fs::read(&out).expect("there"), b"mine");
    assert_eq!(fs::read_dir(home.path("out")).expect("readable").count(), 2);

    // To a pipe or a file of the shell's the bytes go alone.
    let mut command = home.command(["export", &home.id("Soup"), "--format", "original", "--plaintext"]);
    command.stdout(Stdio::piped());
    let run = home.finish(command).expect(0);
    assert_eq!((run.stdout.as_slice(), run.stderr.as_str()), (first.as_bytes(), ""));

    home.run(["export", &id, "--format", "original", "--plaintext", "--json"]).expect(2);
    home.run(["export", &id, "--format", "original", "--plaintext", "--earlier", "1"])
        .refused(1, "error: there is no state 1: 1 state kept\n");
    home.run(["export", &id, "--plaintext"]).expect(2);
}
