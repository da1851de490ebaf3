//! A pager for reading, which is told to keep no history of what it showed.

use std::ffi::OsStr;
use std::io::Write;
use std::process::{Command, Stdio};

use super::output::OpenedAt;

/// Shows text in $CONVAULT_PAGER, $PAGER or less; on stdout when none of them starts. Only less is told where to open it;
/// another one is given the text from there on.
pub(super) fn show(text: &str, at: Option<&OpenedAt>) -> std::io::Result<()> {
    let named = ["CONVAULT_PAGER", "PAGER"].iter().find_map(std::env::var_os);
    let pager = named.filter(|pager| !pager.is_empty()).unwrap_or_else(|| "less".into());
    let at = at.map(|at| if is_less(&pager) { Ok(at.line) } else { Err(&at.text) });
    let text = at.and_then(Result::err).map_or(text, String::as_str);
    let mut shell = Command::new("sh");
    shell.arg("-c").arg(pager).stdin(Stdio::piped());
    // F: quit when it fits, X: leave the text standing. No history file: it would be plaintext.
    shell.env("LESSHISTFILE", "-").env("LESSSECURE", "1").env_remove("CONVAULT_PASSWORD");
    // R: bold is shown, and nothing else in the text acts. A command ends with $.
    let line = at.and_then(Result::ok).map_or_else(String::new, |line| format!("+{line}g$ "));
    let mut options = std::ffi::OsString::from(format!("{line}-R "));
    options.push(std::env::var_os("LESS").unwrap_or_else(|| "-FX".into()));
    shell.env("LESS", options);
    if std::env::var_os("LESSCHARSET").is_none() {
        // What is shown is UTF-8 whatever the locale says.
        shell.env("LESSCHARSET", "utf-8");
    }
    if let Ok(mut child) = shell.spawn() {
        if let Some(mut stdin) = child.stdin.take()
            && let Err(error) = stdin.write_all(text.as_bytes())
            && error.kind() != std::io::ErrorKind::BrokenPipe
        {
            return Err(error);
        }
        // 126 and 127 are the shell's words for a command that cannot be run.
        if !matches!(child.wait()?.code(), Some(126 | 127)) {
            return Ok(());
        }
    }
    std::io::stdout().lock().write_all(text.as_bytes())
}

/// Whether it goes to a line when it is told so.
fn is_less(pager: &OsStr) -> bool {
    let program = pager.to_str().and_then(|pager| pager.split_whitespace().next()).unwrap_or_default();
    program.rsplit('/').next() == Some("less")
}
