//! Where a password may come from, which of them counts, and what is refused.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::process::{Command, Stdio};

use crate::home::{Home, PASSWORD, Run, SAMPLE};

#[test]
fn every_source_of_a_password_opens_the_vault() {
    let home = Home::with_vault();
    let file = home.path("password");
    let file = file.to_str().expect("text");
    let with = |arguments: &[&str], environment: &[(&str, &str)]| {
        let mut command = home.bare(["list", "--quiet"]);
        command.args(arguments).envs(environment.iter().copied());
        home.finish(command)
    };
    with(&["--password-file", file], &[]).expect(0);
    with(&["--password-command", &format!("cat '{file}'")], &[]).expect(0);
    with(&[], &[("CONVAULT_PASSWORD_FILE", file)]).expect(0);
    with(&[], &[("CONVAULT_PASSWORD_COMMAND", &format!("cat '{file}'"))]).expect(0);
    with(&[], &[("CONVAULT_PASSWORD", PASSWORD)]).expect(0);
    // A flag counts before the environment, and there file, command, variable in this order.
    with(&["--password-file", file], &[("CONVAULT_PASSWORD_FILE", "/absent"), ("CONVAULT_PASSWORD", "x")]).expect(0);
    with(&[], &[("CONVAULT_PASSWORD_FILE", file), ("CONVAULT_PASSWORD_COMMAND", "false")]).expect(0);
    with(&[], &[("CONVAULT_PASSWORD_COMMAND", "false"), ("CONVAULT_PASSWORD", PASSWORD)])
        .refused(1, "error: the password command failed: exit code 1\n");

    // A descriptor, which a shell opens for the program.
    let mut shell = Command::new("sh");
    shell.args(["-c", "exec \"$0\" list --quiet --password-fd 3 3<\"$1\"", env!("CARGO_BIN_EXE_convault"), file]);
    shell.env_clear().env("HOME", home.path("home")).env("PATH", std::env::var_os("PATH").unwrap_or_default());
    home.finish(shell).expect(0);
    with(&["--password-fd", "77"], &[]).expect(1);
}

#[test]
fn a_secret_others_can_read_and_an_empty_one_are_refused() {
    let home = Home::with_vault();
    let file = home.path("password");
    for mode in [0o644, 0o640, 0o606] {
        fs::set_permissions(&file, fs::Permissions::from_mode(mode)).expect("allowed");
        let path = file.display();
        let hint = format!("hint: run: chmod 600 {path}\n").replace(&path.to_string(), "TEST/password");
        home.run(["list"])
            .refused(1, &format!("error: others may read or change TEST/password (mode {mode:04o})\n{hint}"));
    }
    let run = |environment: &[(&str, &str)], arguments: &[&str]| -> Run {
        let mut command = home.bare(["list"]);
        command.args(arguments).envs(environment.iter().copied());
        home.finish(command)
    };
    run(&[("CONVAULT_PASSWORD", "")], &[]).refused(1, "error: the password from CONVAULT_PASSWORD is empty\n");
    run(&[], &["--password-command", "true"]).refused(1, "error: the password from the password command is empty\n");
    run(&[], &["--password-file", "/absent", "--password-fd", "0"]).refused(
        2,
        "error: more than one source of the password is given: --password-file, --password-fd\nhint: give one of them\n",
    );
    run(&[], &["--no-input"]).refused(
        1,
        "error: no password: --no-input forbids asking\n\
         hint: use --password-file, --password-command or --password-fd, or set \
         CONVAULT_PASSWORD_FILE, CONVAULT_PASSWORD_COMMAND or CONVAULT_PASSWORD\n",
    );
    run(&[], &["--password", "x"]).expect(2);
}

#[test]
fn a_wrong_password_is_one_message_whatever_is_asked() {
    let home = Home::with_sample();
    let before = fs::read(home.vault()).expect("a vault");
    for arguments in [&["list"][..], &["show", "0000"], &["import", SAMPLE], &["credential", "passwd"]] {
        let mut command = home.bare(arguments);
        command.env("CONVAULT_PASSWORD", "wrong");
        home.finish(command).refused(12, "error: wrong password\n");
    }
    assert_eq!(fs::read(home.vault()).expect("a vault"), before);
}

#[test]
fn a_password_command_sees_no_password_and_reads_no_input() {
    let home = Home::with_vault();
    let mut command = home.bare(["list", "--quiet", "--password-command"]);
    command.arg(format!("test -z \"$CONVAULT_PASSWORD\" && ! read line && echo '{PASSWORD}'"));
    command.env("CONVAULT_PASSWORD", "x").stdin(Stdio::piped());
    home.finish(command).expect(0);
}
