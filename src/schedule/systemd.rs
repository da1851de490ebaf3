//! A timer of the user's service manager, the service it starts, and one for when that fails.

use super::{Job, ScheduleError};

/// A unit file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Unit {
    /// Its file name.
    pub name: String,
    /// What stands in it.
    pub text: String,
}

/// What works without privileges and without namespaces of mounts. With those the program would see other mounts than
/// the rest of the session, and judge the anchor's place by them.
const HARDENING: &str = "\
UMask=0077
NoNewPrivileges=yes
LockPersonality=yes
MemoryDenyWriteExecute=yes
RestrictAddressFamilies=AF_UNIX
RestrictNamespaces=yes
RestrictRealtime=yes
RestrictSUIDSGID=yes
SystemCallArchitectures=native
";

/// The names of all units that [`units`] can make for this name.
pub fn names(name: &str) -> [String; 3] {
    let title = super::title(name);
    [format!("{title}.service"), format!("{title}.timer"), format!("{title}-failed.service")]
}

/// The units: the service, its timer, and the one on failure where a command is named.
pub fn units(job: &Job) -> Result<Vec<Unit>, ScheduleError> {
    job.check()?;
    // Whatever the quoting: its own check of the path knows no escapes.
    if job.program.contains(['"', '\'', '\\']) {
        return Err(ScheduleError::Program(job.program.clone()));
    }
    let [service, timer, failed] = names(&job.name);
    let mut words = job.command().into_iter();
    // The path is no place for variables, so a dollar sign stands for itself there.
    let program = words.next().map(|program| quoted(&program)).unwrap_or_default();
    let words: Vec<String> = std::iter::once(program).chain(words.map(|word| argument(&word))).collect();
    let on_failure = job.on_failure.as_ref().map(|_| format!("OnFailure={failed}\n")).unwrap_or_default();
    let state = job.state_home.as_ref().map(|folder| quoted(&format!("XDG_STATE_HOME={folder}")));
    let environment = state.map(|state| format!("Environment={state}\n")).unwrap_or_default();
    let mut units = vec![
        Unit {
            text: format!(
                "# {record}\n[Unit]\nDescription=Purge of a convault vault ({name})\n{on_failure}\n[Service]\n\
                 Type=oneshot\n{environment}ExecStart={command}\n{HARDENING}",
                record = job.record(),
                name = job.name,
                command = words.join(" "),
            ),
            name: service,
        },
        Unit {
            // A run that was missed is caught up, and not all vaults of a machine begin in the same second.
            text: format!(
                "[Unit]\nDescription=Daily purge of a convault vault ({name})\n\n[Timer]\n\
                 OnCalendar=*-*-* {at}:00\nPersistent=true\nRandomizedDelaySec=5min\n\n\
                 [Install]\nWantedBy=timers.target\n",
                name = job.name,
                at = job.at,
            ),
            name: timer,
        },
    ];
    if let Some(command) = &job.on_failure {
        units.push(Unit {
            text: format!(
                "[Unit]\nDescription=Failed purge of a convault vault ({name})\n\n[Service]\nType=oneshot\n\
                 ExecStart=/bin/sh -c {command}\n",
                name = job.name,
                command = argument(command),
            ),
            name: failed,
        });
    }
    Ok(units)
}

/// A word in quotes, in which no specifier is read (systemd.syntax(7), systemd.unit(5)).
fn quoted(word: &str) -> String {
    format!("\"{}\"", word.replace('\\', "\\\\").replace('"', "\\\"").replace('%', "%%"))
}

/// An argument in quotes, in which no variable is read either (systemd.service(5)).
fn argument(word: &str) -> String {
    quoted(word).replace('$', "$$")
}
