//! Where a password comes from: flags, then the environment, then a question on the terminal.
//!
//! There is no flag that takes the password itself, since every user of a machine can read the
//! arguments of every process. Nothing here prints or logs what it reads, nor the command it runs.

mod sources;

use std::ffi::OsString;
use std::io;
use std::path::{Path, PathBuf};

use zeroize::Zeroizing;

use crate::crypto::Password;
use crate::vault::KeyFile;

/// Larger secrets are refused: whoever names such a file named the wrong one.
pub const LARGEST: usize = 64 * 1024;

/// How often a new password may be repeated wrongly before the question is given up.
const ATTEMPTS: u32 = 3;

/// The flags that name a source; at most one may be given.
#[derive(Clone, Default)]
pub struct Flags {
    /// `--password-file`.
    pub file: Option<PathBuf>,
    /// `--password-command`, for `sh -c`.
    pub command: Option<OsString>,
    /// `--password-fd`.
    pub fd: Option<u32>,
    /// `--credential`: a key file in the place of a password.
    pub credential: Option<PathBuf>,
}

/// What the environment says; passed in, so that tests need not change the process.
#[derive(Clone, Default)]
pub struct Environment {
    /// `CONVAULT_CREDENTIAL`; empty counts as not set.
    pub credential: Option<PathBuf>,
    /// `CONVAULT_PASSWORD_FILE`; empty counts as not set.
    pub file: Option<PathBuf>,
    /// `CONVAULT_PASSWORD_COMMAND`; empty counts as not set.
    pub command: Option<OsString>,
    /// `CONVAULT_PASSWORD`; empty is refused.
    pub password: Option<OsString>,
    /// `CREDENTIALS_DIRECTORY`, where systemd puts the credentials of a service.
    pub credentials: Option<PathBuf>,
}

impl Environment {
    /// Reads the environment of the process.
    pub fn read() -> Self {
        let filled = |name| std::env::var_os(name).filter(|value| !value.is_empty());
        Self {
            credential: filled("CONVAULT_CREDENTIAL").map(PathBuf::from),
            file: filled("CONVAULT_PASSWORD_FILE").map(PathBuf::from),
            command: filled("CONVAULT_PASSWORD_COMMAND"),
            password: std::env::var_os("CONVAULT_PASSWORD"),
            credentials: filled("CREDENTIALS_DIRECTORY").map(PathBuf::from),
        }
    }
}

/// Why no password was obtained. Never has anything of a password, or of the command for one.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum SecretError {
    /// More than one flag names a source.
    #[error("more than one source of the password is given: {0}")]
    SeveralFlags(String),
    /// A secret file that others may read or write.
    #[error("others may read or change {} (mode {mode:04o})", .path.display())]
    OpenToOthers {
        /// The file.
        path: PathBuf,
        /// Its permission bits.
        mode: u32,
    },
    /// A directory, pipe, socket or device where a file is meant.
    #[error("{} is not a regular file", .0.display())]
    NotAFile(PathBuf),
    /// A file that was named as a key file and is none.
    #[error("{} is not a key file of convault", .0.display())]
    NotAKeyFile(PathBuf),
    /// Nothing, or only a newline.
    #[error("the password from {0} is empty")]
    Empty(String),
    /// More than [`LARGEST`] bytes.
    #[error("the password from {0} is larger than 64 KiB")]
    TooLarge(String),
    /// A descriptor that leads to a terminal, where typing would be seen.
    #[error("{0} is a terminal, which would show the password")]
    WouldEcho(String),
    /// A source that could not be read.
    #[error("cannot read the password from {0}: {1}")]
    Unreadable(String, String),
    /// The command did not end well.
    #[error("the password command failed: {0}")]
    CommandFailed(String),
    /// No source, and nobody to ask.
    #[error("no password: there is no terminal to ask on")]
    NoTerminal,
    /// No source, and `--no-input`.
    #[error("no password: --no-input forbids asking")]
    NoInput,
    /// The two entries of a new password differ.
    #[error("the two entries differ")]
    EntriesDiffer,
    /// Ctrl-C at the question.
    #[error("interrupted")]
    Interrupted,
}

impl SecretError {
    /// What to do about it, on a line of its own.
    pub fn hint(&self) -> Option<String> {
        Some(match self {
            Self::SeveralFlags(_) => "give one of them".to_owned(),
            Self::OpenToOthers { path, .. } => format!("run: chmod 600 {}", shell_word(path)),
            Self::NotAKeyFile(_) => {
                "convault credential add makes one; a password's file is --password-file".to_owned()
            }
            Self::NotAFile(_) => "name a file, or pass a pipe with --password-fd".to_owned(),
            Self::TooLarge(_) => "check that this is the file or command you mean".to_owned(),
            Self::WouldEcho(_) => "leave it out to be asked without an echo".to_owned(),
            Self::NoTerminal | Self::NoInput => "use --password-file, --password-command or --password-fd, or set \
                 CONVAULT_PASSWORD_FILE, CONVAULT_PASSWORD_COMMAND or CONVAULT_PASSWORD"
                .to_owned(),
            _ => return None,
        })
    }

    /// Whether the arguments are at fault, which is exit code 2.
    pub fn is_usage(&self) -> bool {
        matches!(self, Self::SeveralFlags(_) | Self::WouldEcho(_))
    }
}

/// A path as a shell reads it back.
fn shell_word(path: &Path) -> String {
    let text = path.to_string_lossy();
    let is_plain = |c: char| c.is_ascii_alphanumeric() || "/._-+@".contains(c);
    if !text.is_empty() && !text.starts_with('-') && text.chars().all(is_plain) {
        return text.into_owned();
    }
    format!("-- '{}'", text.replace('\'', r"'\''"))
}

/// Everything that may name a password.
#[derive(Clone, Default)]
pub struct Sources {
    /// The flags.
    pub flags: Flags,
    /// The environment.
    pub environment: Environment,
    /// `--no-input`: never ask.
    pub no_input: bool,
}

/// The source that counts.
enum Source<'a> {
    KeyFile(&'a Path, &'static str),
    File(&'a Path, &'static str),
    Command(&'a OsString),
    Fd(u32),
    Variable(&'a OsString),
    Prompt,
}

impl Sources {
    /// Of a secret that is not the vault's password: this file, or the prompt. What the environment names is the vault's.
    pub fn beside_the_vaults(file: Option<&Path>, no_input: bool) -> Self {
        let flags = Flags { file: file.map(Path::to_owned), ..Flags::default() };
        Self { flags, environment: Environment::default(), no_input }
    }

    /// The password, asked for with this question when nothing else names it.
    pub fn ask(&self, question: &str) -> Result<Password, SecretError> {
        match self.read_without_asking()? {
            Some(password) => Ok(password),
            None => ask_once(&mut self.terminal()?, question),
        }
    }

    /// A new password: asked for twice when it is typed, so that no slip locks the vault for ever.
    pub fn ask_new(&self, question: &str) -> Result<Password, SecretError> {
        match self.read_without_asking()? {
            Some(password) => Ok(password),
            None => ask_twice(&mut self.terminal()?, question),
        }
    }

    /// Whether the password will be asked for on the terminal, so that asking again makes sense.
    pub fn would_ask(&self) -> bool {
        matches!(self.source(), Ok(Source::Prompt))
    }

    fn read_without_asking(&self) -> Result<Option<Password>, SecretError> {
        let password = match self.source()? {
            Source::Prompt => return Ok(None),
            Source::KeyFile(path, name) => {
                let secret = sources::from_file(path, name, self.environment.credentials.as_deref())?;
                if KeyFile::parse(&secret).is_none() {
                    return Err(SecretError::NotAKeyFile(path.to_owned()));
                }
                secret
            }
            Source::File(path, name) => sources::from_file(path, name, self.environment.credentials.as_deref())?,
            Source::Command(command) => sources::from_command(command)?,
            Source::Fd(fd) => sources::from_fd(fd)?,
            Source::Variable(value) => sources::from_variable(value)?,
        };
        Ok(Some(password))
    }

    fn source(&self) -> Result<Source<'_>, SecretError> {
        let Flags { file, command, fd, credential } = &self.flags;
        let given: Vec<&str> = [
            file.as_ref().map(|_| "--password-file"),
            command.as_ref().map(|_| "--password-command"),
            fd.map(|_| "--password-fd"),
            credential.as_ref().map(|_| "--credential"),
        ]
        .into_iter()
        .flatten()
        .collect();
        if given.len() > 1 {
            return Err(SecretError::SeveralFlags(given.join(", ")));
        }
        let flag = file.as_deref().map(|path| Source::File(path, "--password-file"));
        let flag = flag.or_else(|| credential.as_deref().map(|path| Source::KeyFile(path, "--credential")));
        let flag = flag.or_else(|| command.as_ref().map(Source::Command)).or_else(|| fd.map(Source::Fd));
        let environment = &self.environment;
        let variable = || {
            let file = environment.file.as_deref().map(|path| Source::File(path, "CONVAULT_PASSWORD_FILE"));
            let command = || environment.command.as_ref().map(Source::Command);
            let key = environment.credential.as_deref().map(|path| Source::KeyFile(path, "CONVAULT_CREDENTIAL"));
            key.or(file).or_else(command).or_else(|| environment.password.as_ref().map(Source::Variable))
        };
        Ok(flag.or_else(variable).unwrap_or(Source::Prompt))
    }

    /// A reader of hidden lines on the controlling terminal, wherever stdin and stdout lead.
    fn terminal(&self) -> Result<impl FnMut(&str) -> io::Result<String> + use<>, SecretError> {
        if self.no_input {
            return Err(SecretError::NoInput);
        }
        let terminal = super::terminal::open_tty().map_err(|_| SecretError::NoTerminal)?;
        Ok(move |question: &str| {
            let _kept = super::process::TerminalKept::new(&terminal);
            rpassword::prompt_password(question)
        })
    }
}

fn ask_once(read_hidden: &mut impl FnMut(&str) -> io::Result<String>, question: &str) -> Result<Password, SecretError> {
    let question = crate::inert::inert_line(question);
    let typed = read_hidden(&format!("{question}: ")).map_err(|error| match error.kind() {
        io::ErrorKind::Interrupted | io::ErrorKind::UnexpectedEof => SecretError::Interrupted,
        _ => SecretError::Unreadable("the terminal".to_owned(), sources::cause(&error)),
    })?;
    sources::accept(Zeroizing::new(typed.into_bytes()), "the terminal")
}

fn ask_twice(
    read_hidden: &mut impl FnMut(&str) -> io::Result<String>,
    question: &str,
) -> Result<Password, SecretError> {
    for attempt in 0..ATTEMPTS {
        let first = match attempt {
            0 => ask_once(read_hidden, question)?,
            _ => ask_once(read_hidden, &format!("the two entries differ. {question}"))?,
        };
        match ask_once(read_hidden, &format!("{question} again")) {
            Ok(second) if second.matches(&first) => return Ok(first),
            // An empty repetition is a slip like any other.
            Ok(_) | Err(SecretError::Empty(_)) => {}
            Err(error) => return Err(error),
        }
    }
    Err(SecretError::EntriesDiffer)
}

#[cfg(test)]
mod tests;
