//! A pager for reading, which is told to keep no history of what it showed.

use std::io::Write;
use std::process::{Command, Stdio};

/// Shows text in $CONVAULT_PAGER, $PAGER or less; on stdout when none of them starts.
pub(super) fn show(text: &str) -> std::io::Result<()> {
    let named = ["CONVAULT_PAGER", "PAGER"].iter().find_map(std::env::var_os);
    let pager = named.filter(|pager| !pager.is_empty()).unwrap_or_else(|| "less".into());
    let mut shell = Command::new("sh");
    shell.arg("-c").arg(pager).stdin(Stdio::piped());
    // F: quit when it fits, X: leave the text standing. No history file: it would be plaintext.
    shell.env("LESSHISTFILE", "-").env("LESSSECURE", "1").env_remove("CONVAULT_PASSWORD");
    if std::env::var_os("LESS").is_none() {
        shell.env("LESS", "FX");
    }
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
