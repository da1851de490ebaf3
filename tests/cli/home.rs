//! A home of its own for each test, and the program run in it without a terminal.

use std::ffi::OsStr;
use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use serde_json::Value;

/// The password of every vault here.
pub const PASSWORD: &str = "correct horse battery";

/// The bundled sample.
pub const SAMPLE: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/examples/chatgpt-export.json");

/// A fresh home folder, a temporary folder and a place for inputs.
pub struct Home {
    folder: tempfile::TempDir,
}

/// What a command did.
#[derive(Debug)]
pub struct Run {
    pub code: Option<i32>,
    pub stdout: Vec<u8>,
    pub stderr: String,
}

impl Home {
    /// A home without a vault.
    pub fn new() -> Self {
        // Where the usual place keeps copies, as the root of a container does, an anchor is worth less than tests expect.
        let usual = tempfile::tempdir().expect("a folder");
        let folder = match convault::vault::weaknesses(&usual.path().join("anchor")).is_empty() {
            true => usual,
            false => tempfile::tempdir_in("/dev/shm").unwrap_or(usual),
        };
        let home = Self { folder };
        for name in ["home", "tmp", "in", "out"] {
            fs::create_dir(home.path(name)).expect("a folder");
        }
        home.secret("password", PASSWORD);
        home
    }

    /// A home with an empty vault.
    pub fn with_vault() -> Self {
        let home = Self::new();
        home.run(["init", "--unlock-cost", "minimum"]).expect(0);
        home
    }

    /// A home with the bundled sample imported.
    pub fn with_sample() -> Self {
        let home = Self::with_vault();
        home.run(["import", SAMPLE]).expect(0);
        home
    }

    /// A path below this test's folder.
    pub fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// Where the program puts the vault when it is not told.
    pub fn vault(&self) -> PathBuf {
        self.path("home/.local/share/convault/vault.db")
    }

    /// Writes an input; its path as text.
    pub fn input(&self, name: &str, bytes: impl AsRef<[u8]>) -> String {
        let path = self.path("in").join(name);
        fs::create_dir_all(path.parent().expect("a folder")).expect("a folder");
        fs::write(&path, bytes).expect("written");
        path.to_str().expect("text").to_owned()
    }

    /// Writes a file only its owner may read; its path as text.
    pub fn secret(&self, name: &str, text: &str) -> String {
        let path = self.path(name);
        fs::write(&path, format!("{text}\n")).expect("written");
        fs::set_permissions(&path, fs::Permissions::from_mode(0o600)).expect("allowed");
        path.to_str().expect("text").to_owned()
    }

    /// The program with nothing of the caller's environment, and the password in a file.
    pub fn command(&self, arguments: impl IntoIterator<Item = impl AsRef<OsStr>>) -> Command {
        let mut command = self.bare(arguments);
        command.env("CONVAULT_PASSWORD_FILE", self.path("password"));
        command
    }

    /// The same without a password.
    pub fn bare(&self, arguments: impl IntoIterator<Item = impl AsRef<OsStr>>) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_convault"));
        command.args(arguments).env_clear().stdin(Stdio::null()).current_dir(self.path("in"));
        command.env("HOME", self.path("home")).env("TMPDIR", self.path("tmp")).env("TZ", "UTC");
        command.env("PATH", std::env::var_os("PATH").unwrap_or_default());
        command
    }

    /// Runs the program with the right password.
    pub fn run(&self, arguments: impl IntoIterator<Item = impl AsRef<OsStr>>) -> Run {
        self.finish(self.command(arguments))
    }

    /// Runs a prepared command.
    pub fn finish(&self, mut command: Command) -> Run {
        let output = command.output().expect("the program starts");
        let stderr = String::from_utf8(output.stderr).expect("stderr is text");
        Run { code: output.status.code(), stdout: output.stdout, stderr: stderr.replace(&self.prefix(), "TEST") }
    }

    /// Runs a command with `--json`; its exit code and its one document.
    pub fn json(&self, arguments: &[&str]) -> (i32, Value) {
        let run = self.run(arguments.iter().copied().chain(["--json"]));
        let document = serde_json::from_slice(&run.stdout)
            .unwrap_or_else(|error| panic!("{arguments:?}: {error} in {:?} {}", run.text(), run.stderr));
        (run.code.expect("it ended by itself"), document)
    }

    /// The full id of the one conversation with this title.
    pub fn id(&self, title: &str) -> String {
        let (_, list) = self.json(&["list"]);
        let all = list["conversations"].as_array().expect("a list");
        let chosen: Vec<_> = all.iter().filter(|one| one["title"] == title).collect();
        assert_eq!(chosen.len(), 1, "{title} in {all:?}");
        chosen[0]["id"].as_str().expect("text").to_owned()
    }

    /// Text in which this test's folder is `TEST` and every id is crosses.
    pub fn masked(&self, text: &str) -> String {
        masked(&text.replace(&self.prefix(), "TEST"))
    }

    fn prefix(&self) -> String {
        self.folder.path().to_str().expect("text").to_owned()
    }

    /// Every file below this test's folder, inputs and outputs left out.
    pub fn files(&self) -> Vec<PathBuf> {
        let mut files = Vec::new();
        let mut folders = vec![self.path("home"), self.path("tmp")];
        while let Some(folder) = folders.pop() {
            for entry in fs::read_dir(folder).expect("readable") {
                let entry = entry.expect("readable");
                match entry.file_type().expect("known").is_dir() {
                    true => folders.push(entry.path()),
                    false => files.push(entry.path()),
                }
            }
        }
        files.sort();
        files
    }
}

impl Run {
    /// Fails with everything that was said, unless this is the exit code.
    #[track_caller]
    pub fn expect(self, code: i32) -> Self {
        assert_eq!(self.code, Some(code), "stdout: {}\nstderr: {}", self.text(), self.stderr);
        self
    }

    pub fn text(&self) -> String {
        String::from_utf8_lossy(&self.stdout).into_owned()
    }

    /// Fails unless it ended so, said nothing on stdout, and exactly this on stderr.
    #[track_caller]
    pub fn refused(self, code: i32, stderr: &str) {
        assert_eq!((self.code, self.text().as_str(), self.stderr.as_str()), (Some(code), "", stderr));
    }

    /// Fails unless it ended so and said exactly this.
    #[track_caller]
    pub fn said(&self, home: &Home, code: i32, stdout: &str, stderr: &str) {
        assert_eq!(home.masked(&self.text()), stdout);
        assert_eq!(home.masked(&self.stderr), stderr);
        assert_eq!(self.code, Some(code));
    }
}

/// Words of 8 or 32 hexadecimal digits become crosses, so that columns stay in their places.
fn masked(text: &str) -> String {
    let mut out = String::new();
    let mut word = String::new();
    for c in text.chars().chain(['\0']) {
        if c.is_alphanumeric() {
            word.push(c);
            continue;
        }
        let is_id = matches!(word.len(), 8 | 32) && word.bytes().all(|b| matches!(b, b'0'..=b'9' | b'a'..=b'f'));
        match is_id {
            true => out.extend(std::iter::repeat_n('x', word.len())),
            false => out.push_str(&word),
        }
        word.clear();
        if c != '\0' {
            out.push(c);
        }
    }
    out
}

/// Our JSONL without what it is signed with, which names the vault.
pub fn unsigned(lines: &[u8]) -> Vec<u8> {
    let ends = [&br#"{"schema":"convault.proof/1""#[..], br#"{"left_out":"#];
    let own = lines.split_inclusive(|byte| *byte == b'\n').filter(|line| !ends.iter().any(|end| line.starts_with(end)));
    own.flatten().copied().collect()
}

/// Permission bits of a path.
pub fn mode(path: &Path) -> u32 {
    fs::metadata(path).expect("it is there").permissions().mode() & 0o777
}

/// Whether these bytes stand anywhere in those.
pub fn contains(bytes: &[u8], wanted: &[u8]) -> bool {
    bytes.windows(wanted.len()).any(|window| window == wanted)
}

#[test]
fn ids_are_masked_and_nothing_else() {
    let text = "0123abcd deadbeefdeadbeefdeadbeefdeadbeef 0123ABCD 0123abc 2025-10-11 message1";
    assert_eq!(masked(text), "xxxxxxxx xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx 0123ABCD 0123abc 2025-10-11 message1");
}
