//! Every source, every refusal word for word, and the order of precedence.

use std::fs;
use std::os::unix::fs::PermissionsExt;

use super::*;

struct Folder(tempfile::TempDir);

impl Folder {
    fn new() -> Self {
        Self(tempfile::tempdir().expect("a temporary folder"))
    }

    fn file(&self, name: &str, content: &[u8], mode: u32) -> PathBuf {
        let path = self.0.path().join(name);
        fs::write(&path, content).expect("written");
        fs::set_permissions(&path, fs::Permissions::from_mode(mode)).expect("set");
        path
    }
}

fn file(path: PathBuf) -> Sources {
    Sources { flags: Flags { file: Some(path), ..Flags::default() }, no_input: true, ..Sources::default() }
}

fn command(command: &str) -> Sources {
    let flags = Flags { command: Some(command.into()), ..Flags::default() };
    Sources { flags, no_input: true, ..Sources::default() }
}

fn is(sources: &Sources, expected: &[u8]) -> bool {
    let password = sources.ask("password").map_err(|error| error.to_string()).expect("a password");
    password.matches(&Password::new(expected.to_vec()))
}

fn refused(sources: &Sources) -> (String, Option<String>) {
    let error = sources.ask("password").err().expect("an error");
    (error.to_string(), error.hint())
}

#[test]
fn one_newline_at_the_end_is_removed() {
    let folder = Folder::new();
    for (content, expected) in [
        (&b"secret"[..], &b"secret"[..]),
        (b"secret\n", b"secret"),
        (b"secret\r\n", b"secret"),
        (b"secret\n\n", b"secret\n"),
        (b"secret\r", b"secret\r"),
        (b" two words \n", b" two words "),
        (b"\xff\x00\n", b"\xff\x00"),
    ] {
        assert!(is(&file(folder.file("password", content, 0o600)), expected), "{content:?}");
    }
}

#[test]
fn an_empty_secret_is_refused() {
    let folder = Folder::new();
    for content in ["", "\n", "\r\n"] {
        let path = folder.file("password", content.as_bytes(), 0o600);
        assert_eq!(refused(&file(path.clone())), (format!("the password from {} is empty", path.display()), None));
    }
    assert_eq!(refused(&command("true")).0, "the password from the password command is empty");
    let environment = Environment { password: Some("".into()), ..Environment::default() };
    let sources = Sources { environment, ..Sources::default() };
    assert_eq!(refused(&sources).0, "the password from CONVAULT_PASSWORD is empty");
}

#[test]
fn a_secret_of_64_kib_is_the_largest() {
    let folder = Folder::new();
    let mut content = vec![b'x'; LARGEST];
    assert!(is(&file(folder.file("password", &content, 0o600)), &content));
    content.extend(b"\r\n");
    assert!(is(&file(folder.file("password", &content, 0o600)), &content[..LARGEST]));
    content.extend(b"yyy");
    let path = folder.file("password", &content, 0o600);
    let message = format!("the password from {} is larger than 64 KiB", path.display());
    let hint = "check that this is the file or command you mean".to_owned();
    assert_eq!(refused(&file(path)), (message, Some(hint)));
    assert_eq!(refused(&command("yes")).0, "the password from the password command is larger than 64 KiB");
}

#[test]
fn a_file_open_to_others_is_refused() {
    let folder = Folder::new();
    for mode in [0o640, 0o620, 0o610, 0o604, 0o602, 0o644, 0o666, 0o777] {
        let path = folder.file("password", b"secret", mode);
        let message = format!("others may read or change {} (mode {mode:04o})", path.display());
        assert_eq!(refused(&file(path.clone())), (message, Some(format!("run: chmod 600 {}", path.display()))));
    }
    for mode in [0o400, 0o600, 0o700] {
        assert!(is(&file(folder.file("password", b"secret", mode)), b"secret"));
    }
    let odd = folder.file("it's secret", b"secret", 0o644);
    let quoted = format!("run: chmod 600 -- '{}/it'\\''s secret'", folder.0.path().display());
    assert_eq!(refused(&file(odd)).1, Some(quoted));
}

#[test]
fn a_link_is_judged_by_where_it_leads() {
    let folder = Folder::new();
    let target = folder.file("password", b"secret", 0o644);
    let link = folder.0.path().join("link");
    std::os::unix::fs::symlink(&target, &link).expect("linked");
    assert!(refused(&file(link.clone())).0.starts_with("others may read or change "));
    fs::set_permissions(&target, fs::Permissions::from_mode(0o600)).expect("set");
    assert!(is(&file(link), b"secret"));
}

#[test]
fn what_is_no_file_is_refused_without_waiting() {
    let folder = Folder::new();
    let pipe = folder.0.path().join("pipe");
    let made = std::process::Command::new("mkfifo").arg(&pipe).status().expect("mkfifo runs");
    assert!(made.success());
    for path in [pipe, folder.0.path().to_owned(), PathBuf::from("/dev/null")] {
        let hint = "name a file, or pass a pipe with --password-fd".to_owned();
        assert_eq!(refused(&file(path.clone())), (format!("{} is not a regular file", path.display()), Some(hint)));
    }
    let none = folder.0.path().join("none");
    assert_eq!(
        refused(&file(none.clone())).0,
        format!("cannot read the password from {}: no such file", none.display())
    );
}

#[test]
fn a_credential_of_a_service_may_show_group_rights() {
    let folder = Folder::new();
    let path = folder.file("password", b"secret", 0o440);
    let mut sources = file(path.clone());
    assert!(refused(&sources).0.starts_with("others may read"));
    sources.environment.credentials = Some(folder.0.path().to_owned());
    assert!(is(&sources, b"secret"));
    fs::set_permissions(&path, fs::Permissions::from_mode(0o444)).expect("set");
    assert!(refused(&sources).0.starts_with("others may read"));
}

#[test]
fn a_command_gives_its_output_and_nothing_of_itself() {
    assert!(is(&command("printf 'sec%s\\n' ret"), b"secret"));
    assert!(is(&command("cat; printf x"), b"x"), "its stdin is empty");
    let (message, hint) = refused(&command("echo hidden; exit 3"));
    assert_eq!((message.as_str(), hint), ("the password command failed: exit code 3", None));
    assert_eq!(refused(&command("kill -9 $$")).0, "the password command failed: ended by signal 9");
    assert_eq!(refused(&command("exit 0")).0, "the password from the password command is empty");
}

#[test]
fn a_descriptor_is_read_by_its_number() {
    use std::os::fd::AsRawFd;
    let fd = |fd: u32| Sources { flags: Flags { fd: Some(fd), ..Flags::default() }, ..Sources::default() };
    let (reader, mut writer) = io::pipe().expect("a pipe");
    io::Write::write_all(&mut writer, b"secret\n").expect("written");
    drop(writer);
    let number = u32::try_from(reader.as_raw_fd()).expect("not negative");
    assert!(is(&fd(number), b"secret"));
    let (reader, mut writer) = io::pipe().expect("a pipe");
    io::Write::write_all(&mut writer, b"secret\n").expect("written");
    drop(writer);
    let path = PathBuf::from(format!("/dev/fd/{}", reader.as_raw_fd()));
    assert!(is(&file(path), b"secret"), "as a shell's <(command) names it");
    let folder = Folder::new();
    // A detour through the folder of descriptors does not get around the check of the mode.
    let around = format!("/proc/self/fd/../../..{}", folder.file("password", b"secret", 0o644).display());
    assert!(refused(&file(around.into())).0.starts_with("others may read or change "));
    assert_eq!(refused(&fd(4_000_000)).0, "cannot read the password from descriptor 4000000: no such file");
}

#[test]
fn flags_beat_the_environment_and_its_own_order_holds() {
    let folder = Folder::new();
    let path = |name: &str| folder.file(name, name.as_bytes(), 0o600);
    let mut sources = Sources {
        flags: Flags { file: Some(path("flag")), ..Flags::default() },
        environment: Environment {
            credential: None,
            file: Some(path("variable")),
            command: Some("printf command".into()),
            password: Some("plain".into()),
            credentials: None,
        },
        no_input: true,
    };
    assert!(is(&sources, b"flag"));
    sources.flags.file = None;
    assert!(is(&sources, b"variable"));
    sources.environment.file = None;
    assert!(is(&sources, b"command"));
    sources.environment.command = None;
    assert!(is(&sources, b"plain") && !sources.would_ask());
    sources.environment.password = None;
    assert!(sources.would_ask());
    let hint = "use --password-file, --password-command or --password-fd, or set CONVAULT_PASSWORD_FILE, \
                CONVAULT_PASSWORD_COMMAND or CONVAULT_PASSWORD";
    assert_eq!(refused(&sources), ("no password: --no-input forbids asking".to_owned(), Some(hint.to_owned())));
}

#[test]
fn two_flags_are_a_mistake_in_the_arguments() {
    let flags = Flags { file: Some("f".into()), command: Some("c".into()), fd: Some(3), credential: None };
    let sources = Sources { flags, ..Sources::default() };
    let message = "more than one source of the password is given: --password-file, --password-command, --password-fd";
    assert_eq!(refused(&sources), (message.to_owned(), Some("give one of them".to_owned())));
    assert!(sources.ask("password").err().is_some_and(|error| error.is_usage()));
}

#[test]
fn a_new_password_is_typed_twice() {
    let typed = |lines: &[&str]| {
        let mut lines = lines.iter();
        let mut questions = Vec::new();
        let mut read = |question: &str| {
            questions.push(question.to_owned());
            lines.next().map(|line| (*line).to_owned()).ok_or_else(|| io::ErrorKind::Interrupted.into())
        };
        let result = ask_twice(&mut read, "new password");
        (result.map_err(|error| error.to_string()), questions)
    };
    let (password, questions) = typed(&["a", "b", "a", "", "c", "c"]);
    assert!(password.expect("the third attempt agrees").matches(&Password::new(b"c".to_vec())));
    assert_eq!(questions[..3], ["new password: ", "new password again: ", "the two entries differ. new password: "]);
    assert_eq!(typed(&["a", "b", "a", "b", "a", "b"]).0.err().as_deref(), Some("the two entries differ"));
    assert_eq!(typed(&[""]).0.err().as_deref(), Some("the password from the terminal is empty"));
    assert_eq!(typed(&["a"]).0.err().as_deref(), Some("interrupted"));
}
