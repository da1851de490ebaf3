//! Reading a password from each place that is not a question: file, command, descriptor, variable.

use std::ffi::OsStr;
use std::fs::{File, OpenOptions};
use std::io::{self, IsTerminal, Read};
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::{OpenOptionsExt, PermissionsExt};
use std::os::unix::process::ExitStatusExt;
use std::path::Path;
use std::process::{Command, Stdio};

use zeroize::Zeroizing;

use super::{LARGEST, SecretError};
use crate::crypto::Password;

/// What a file that only its owner may use must not allow.
const OTHERS: u32 = 0o077;

/// The same for a credential of a service, which systemd gives to the service's group by an access
/// list that shows as group permissions.
const OTHERS_FOR_CREDENTIAL: u32 = 0o027;

/// Reads a secret file that only its owner may use.
pub(super) fn from_file(path: &Path, name: &str, credentials: Option<&Path>) -> Result<Password, SecretError> {
    let unreadable = |error: io::Error| SecretError::Unreadable(path.display().to_string(), cause(&error));
    if is_descriptor(path) {
        let file = File::open(path).map_err(unreadable)?;
        return read_open(file, name);
    }
    read(open_private(path, credentials)?, &path.display().to_string())
}

/// Opens a file that only its owner may use.
pub(super) fn open_private(path: &Path, credentials: Option<&Path>) -> Result<File, SecretError> {
    let unreadable = |error: io::Error| SecretError::Unreadable(path.display().to_string(), cause(&error));
    // Non-blocking, or a pipe in the place of the file would be waited for until somebody writes.
    // All questions go to the open file: the name may lead elsewhere a moment later.
    let no_wait = rustix::fs::OFlags::NONBLOCK.bits().cast_signed();
    let file = OpenOptions::new().read(true).custom_flags(no_wait).open(path).map_err(unreadable)?;
    let metadata = file.metadata().map_err(unreadable)?;
    if !metadata.is_file() {
        return Err(SecretError::NotAFile(path.to_owned()));
    }
    let mode = metadata.permissions().mode() & 0o7777;
    let forbidden =
        if credentials.is_some_and(|folder| is_inside(path, folder)) { OTHERS_FOR_CREDENTIAL } else { OTHERS };
    if mode & forbidden != 0 {
        return Err(SecretError::OpenToOthers { path: path.to_owned(), mode });
    }
    Ok(file)
}

/// Runs a command and takes what it prints. Its stdin is empty, so that it cannot eat ours; what it
/// says on stderr, the user sees.
pub(super) fn from_command(command: &OsStr) -> Result<Password, SecretError> {
    let failed = |error: io::Error| SecretError::CommandFailed(cause(&error));
    let mut shell = Command::new("sh");
    // Not to be handed on to whatever the command starts.
    shell.env_remove("CONVAULT_PASSWORD");
    let shell = shell.arg("-c").arg(command).stdin(Stdio::null()).stdout(Stdio::piped());
    let mut child = shell.spawn().map_err(failed)?;
    let password = match child.stdout.take() {
        Some(stdout) => read(stdout, "the password command"),
        None => Err(SecretError::CommandFailed("it has no output".to_owned())),
    };
    if let Err(SecretError::TooLarge(_)) = password {
        // It may never end by itself. A failure to stop it changes nothing for us.
        let _ = child.kill();
        let _ = child.wait();
        return password;
    }
    let status = child.wait().map_err(failed)?;
    match (status.code(), status.signal()) {
        (Some(0), _) => password,
        (Some(code), _) => Err(SecretError::CommandFailed(format!("exit code {code}"))),
        (None, Some(signal)) => Err(SecretError::CommandFailed(format!("ended by signal {signal}"))),
        (None, None) => Err(SecretError::CommandFailed("it did not end".to_owned())),
    }
}

/// Reads a descriptor the caller of the program opened. It is opened anew by its name, which needs
/// no unsafe code: a pipe goes on where it is, a file starts at its beginning.
pub(super) fn from_fd(fd: u32) -> Result<Password, SecretError> {
    let name = format!("descriptor {fd}");
    match File::open(format!("/dev/fd/{fd}")) {
        Ok(file) => read_open(file, &name),
        Err(error) => Err(SecretError::Unreadable(name, cause(&error))),
    }
}

/// Reads a descriptor, unless somebody would have to type into it and everybody could look on.
fn read_open(file: File, name: &str) -> Result<Password, SecretError> {
    if file.is_terminal() {
        return Err(SecretError::WouldEcho(name.to_owned()));
    }
    read(file, name)
}

/// Takes the value of `CONVAULT_PASSWORD`.
pub(super) fn from_variable(value: &OsStr) -> Result<Password, SecretError> {
    accept(Zeroizing::new(value.as_bytes().to_vec()), "CONVAULT_PASSWORD")
}

/// Judges the bytes of a secret and removes one newline at their end.
pub(super) fn accept(mut bytes: Zeroizing<Vec<u8>>, name: &str) -> Result<Password, SecretError> {
    // The newline that ends a line, on either kind of system, is not part of the password.
    if bytes.ends_with(b"\n") {
        bytes.pop();
        if bytes.ends_with(b"\r") {
            bytes.pop();
        }
    }
    if bytes.len() > LARGEST {
        return Err(SecretError::TooLarge(name.to_owned()));
    }
    let password = Password::new(std::mem::take(&mut *bytes));
    if password.is_empty() { Err(SecretError::Empty(name.to_owned())) } else { Ok(password) }
}

fn read(source: impl Read, name: &str) -> Result<Password, SecretError> {
    // Room for all that may come, so that no copy is left behind by growing.
    let limit = LARGEST + 3;
    let mut bytes = Zeroizing::new(Vec::with_capacity(limit + 1));
    let result = source.take(limit as u64).read_to_end(&mut bytes);
    result.map_err(|error| SecretError::Unreadable(name.to_owned(), cause(&error)))?;
    accept(bytes, name)
}

/// Whether the path is a name for an open descriptor, such as a shell's `<(command)` makes.
fn is_descriptor(path: &Path) -> bool {
    let is_number = path.file_name().is_some_and(|name| name.as_bytes().iter().all(u8::is_ascii_digit));
    let is_listed = ["/dev/fd", "/proc/self/fd"].iter().any(|folder| path.parent() == Some(Path::new(folder)));
    path == Path::new("/dev/stdin") || (is_number && is_listed)
}

fn is_inside(path: &Path, folder: &Path) -> bool {
    match (path.canonicalize(), folder.canonicalize()) {
        (Ok(path), Ok(folder)) => path.starts_with(folder),
        _ => false,
    }
}

/// The cause in lower case and without the number of the system's error.
pub(super) fn cause(error: &io::Error) -> String {
    match error.kind() {
        io::ErrorKind::NotFound => "no such file".to_owned(),
        kind => kind.to_string(),
    }
}
