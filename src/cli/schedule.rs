//! `schedule`: what the system runs every day, put where it looks for it, taken away and shown.

use std::fs::{DirBuilder, OpenOptions};
use std::io::Write;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};

use etcetera::base_strategy::{BaseStrategy, Xdg};
use serde_json::{Value, json};

use super::arguments::{Method, Schedule, ScheduleCommand};
use super::credential;
use super::failure::{Failure, code};
use super::output::Outcome;
use super::secrets::{Environment, Flags, SecretError, Sources};
use super::session::{Session, absolute};
use crate::clock::Instant;
use crate::crypto::hash::sha256;
use crate::inert::inert_line;
use crate::schedule::{self, Daily, Job, ScheduleError, cron, launchd, systemd};
use crate::vault::{Role, hex};

/// Every way there is.
const METHODS: [Method; 3] = [Method::Systemd, Method::Cron, Method::Launchd];

/// A schedule that is there.
struct Installed {
    method: Method,
    /// None when what stands there has no readable record.
    job: Option<Job>,
    /// Whether it is what this version makes for that job.
    is_as_made: bool,
    /// Where it stands.
    places: Vec<String>,
}

pub(super) fn run(session: &Session, options: &Schedule) -> Result<Outcome, Failure> {
    let vault = absolute(&session.path)?;
    // Of the path and not of the vault's id: what runs for a vault that is gone can still be found.
    let name = hex(&sha256(&[vault.as_os_str().as_bytes()])[..4]);
    match &options.command {
        ScheduleCommand::Install { method, at, on_failure } => {
            install(session, &vault, name, *method, at, on_failure.as_deref())
        }
        ScheduleCommand::Remove => remove(&vault, &name),
        ScheduleCommand::Show => show(session, &vault, &name),
    }
}

fn install(
    session: &Session,
    vault: &Path,
    name: String,
    method: Option<Method>,
    at: &str,
    on_failure: Option<&str>,
) -> Result<Outcome, Failure> {
    let at = Daily::parse(at)?;
    drop(session.unopened()?);
    let method = chosen(method)?;
    let (before, mut warnings) = found(&name)?;
    let credential = match &session.global.credential {
        Some(path) => absolute(path)?,
        None => janitor(session, &name)?,
    };
    check_key_file(session, &credential)?;
    let program = std::env::current_exe()
        .map_err(|error| Failure::failed(format!("cannot tell where this program is: {error}")))?;
    let state_home = std::env::var_os("XDG_STATE_HOME").map(PathBuf::from).filter(|folder| folder.is_absolute());
    let job = Job {
        name,
        program: text_of(&program)?,
        vault: text_of(vault)?,
        anchor_file: session.global.anchor_file.as_deref().map(text_of).transpose()?,
        credential: text_of(&credential)?,
        state_home: state_home.as_deref().map(text_of).transpose()?,
        at,
        on_failure: on_failure.map(str::to_owned),
    };
    put(method, &job).map_err(|failure| match failure.hint {
        None => failure.with_hint("nothing was changed; --method names another way"),
        Some(_) => failure,
    })?;
    let mut code = 0;
    for other in before.iter().filter(|other| other.method != method) {
        if let Err(failure) = take_away(other.method, &job.name) {
            warnings.push(format!("what {} ran before is still there: {}", other.method.word(), failure.message));
            code = code::PARTIAL;
        }
    }
    let installed = Installed { method, is_as_made: true, places: places(method, &job.name)?, job: Some(job) };
    let mut outcome = shown(session, vault, &[installed]);
    outcome.notes = notes(method, on_failure.is_some());
    outcome.warnings.extend(warnings);
    outcome.code = code;
    Ok(outcome)
}

/// The key file of a janitor, where none is named: the one that was issued for this vault before, or a new one.
fn janitor(session: &Session, name: &str) -> Result<PathBuf, Failure> {
    let folder = Xdg::new().map_err(|_| Failure::failed("there is no home folder"))?.data_dir().join("convault");
    let path = folder.join(format!("janitor-{name}.key"));
    // One that was revoked since, or is of a vault that was here before, is of no use any more.
    if path.symlink_metadata().is_ok()
        && check_key_file(session, &path).is_err_and(|failure| failure.code == code::WRONG_PASSWORD)
    {
        std::fs::remove_file(&path).map_err(|error| Failure::io(&path, &error))?;
    }
    if path.symlink_metadata().is_err() {
        let mut vault = session.open()?;
        credential::grant_key_file(session, &mut vault, Role::Janitor, &path)?;
        session.close(vault)?;
    }
    Ok(path)
}

fn remove(vault: &Path, name: &str) -> Result<Outcome, Failure> {
    let (there, warnings) = found(name)?;
    if there.is_empty() {
        return Err(nothing(vault));
    }
    let mut text = String::new();
    for Installed { method, places, .. } in &there {
        take_away(*method, name)?;
        for place in places {
            text.push_str(&format!("removed from {}: {}\n", method.word(), inert_line(place)));
        }
    }
    let schedules = there.iter().map(|one| one.json(None)).collect();
    Ok(Outcome { text, json: document(vault, schedules), warnings, ..Outcome::default() })
}

fn show(session: &Session, vault: &Path, name: &str) -> Result<Outcome, Failure> {
    let (there, warnings) = found(name)?;
    if there.is_empty() {
        return Err(nothing(vault));
    }
    let mut outcome = shown(session, vault, &there);
    outcome.warnings.extend(warnings);
    Ok(outcome)
}

fn nothing(vault: &Path) -> Failure {
    Failure::failed(format!("nothing is scheduled for {}", vault.display()))
        .with_hint("convault schedule install schedules a purge every day")
}

/// The method that was named, or the first that works here.
fn chosen(named: Option<Method>) -> Result<Method, Failure> {
    let is_macos = cfg!(target_os = "macos");
    match named {
        Some(Method::Launchd) if !is_macos => {
            Err(Failure::usage("only macOS has launchd", "name another: --method systemd, or --method cron"))
        }
        Some(Method::Cron) if !is_on_path("crontab") => {
            Err(Failure::failed("there is no crontab here")
                .with_hint("nothing was changed; --method names another way"))
        }
        Some(method) => Ok(method),
        None if is_macos => Ok(Method::Launchd),
        None if call("systemctl", &["--user", "show-environment"], None).is_ok() => Ok(Method::Systemd),
        None if is_on_path("crontab") => Ok(Method::Cron),
        None => Err(Failure::failed(
            "nothing here can run a purge: systemctl --user does not answer, and there is no crontab",
        )
        .with_hint("--method names one all the same; or run by other means: convault --credential FILE purge --yes")),
    }
}

fn is_on_path(program: &str) -> bool {
    let path = std::env::var_os("PATH").unwrap_or_default();
    let is_program = |file: PathBuf| {
        std::fs::metadata(file).is_ok_and(|found| found.is_file() && found.permissions().mode() & 0o111 != 0)
    };
    std::env::split_paths(&path).any(|folder| is_program(folder.join(program)))
}

/// Refuses a key file that could not purge when its hour comes.
fn check_key_file(session: &Session, path: &Path) -> Result<(), Failure> {
    const HINT: &str = "--credential names the key file of a janitor; without it one is made";
    let flags = Flags { credential: Some(path.to_owned()), ..Flags::default() };
    let sources = Sources { flags, environment: Environment::default(), no_input: true };
    let secret = sources.ask("").map_err(|error| match error {
        SecretError::Unreadable(_, cause) => Failure::failed(format!("{}: {cause}", path.display())).with_hint(HINT),
        SecretError::NotAFile(_) | SecretError::NotAKeyFile(_) => Failure::failed(error.to_string()).with_hint(HINT),
        error => error.into(),
    })?;
    let who = session.unopened()?.who(&secret).map_err(|error| Failure::from(error).at(path).with_hint(HINT))?;
    match who.role() {
        Role::Janitor => Ok(()),
        other => Err(Failure::failed(format!("{}: the key of a credential of role {}", path.display(), other.word()))
            .with_hint(HINT)),
    }
}

/// A path as a text, in which a schedule names it.
fn text_of(path: &Path) -> Result<String, Failure> {
    let text = path.to_str().map(str::to_owned);
    text.ok_or_else(|| Failure::failed(format!("{}: not UTF-8, and a schedule is a text", path.display())))
}

/// What is installed for this name, and what could not be looked at.
fn found(name: &str) -> Result<(Vec<Installed>, Vec<String>), Failure> {
    let (mut there, mut warnings) = (Vec::new(), Vec::new());
    for method in METHODS {
        let texts: Vec<(String, String)> = match method {
            Method::Cron if !is_on_path("crontab") => Vec::new(),
            Method::Cron => match crontab() {
                Ok(all) => cron::cut(&all, name)?.block.map(|block| (CRONTAB.to_owned(), block)).into_iter().collect(),
                Err(failure) => {
                    warnings.push(failure.message);
                    Vec::new()
                }
            },
            _ => {
                let files = files(method, name)?.into_iter();
                files.filter_map(|path| Some((shown_path(&path), std::fs::read_to_string(&path).ok()?))).collect()
            }
        };
        let Some(first) = texts.first() else { continue };
        let job = Job::recorded_in(&first.1);
        let made = job.as_ref().and_then(|job| texts_for(method, job).ok());
        let is_as_made =
            made.is_some_and(|made| made.iter().map(|(_, text)| text).eq(texts.iter().map(|(_, text)| text)));
        let places = texts.into_iter().map(|(place, _)| place).collect();
        there.push(Installed { method, job, is_as_made, places });
    }
    Ok((there, warnings))
}

/// What has to stand there, in the order of [`files`].
fn texts_for(method: Method, job: &Job) -> Result<Vec<(String, String)>, ScheduleError> {
    let unnamed = |text| (String::new(), text);
    Ok(match method {
        Method::Systemd => systemd::units(job)?.into_iter().map(|unit| (unit.name, unit.text)).collect(),
        Method::Cron => vec![unnamed(cron::block(job)?)],
        Method::Launchd => vec![unnamed(launchd::plist(job)?)],
    })
}

/// What the crontab is called, whose file is nobody's business.
const CRONTAB: &str = "crontab";

/// The files that an installation can have, the one with the record first.
fn files(method: Method, name: &str) -> Result<Vec<PathBuf>, Failure> {
    let no_home = |_| Failure::failed("there is no home folder");
    Ok(match method {
        Method::Systemd => {
            let folder = Xdg::new().map_err(no_home)?.config_dir().join("systemd/user");
            systemd::names(name).iter().map(|unit| folder.join(unit)).collect()
        }
        Method::Launchd if cfg!(target_os = "macos") => {
            let home = etcetera::home_dir().map_err(no_home)?;
            vec![home.join("Library/LaunchAgents").join(format!("{}.plist", schedule::title(name)))]
        }
        _ => Vec::new(),
    })
}

fn places(method: Method, name: &str) -> Result<Vec<String>, Failure> {
    let there = files(method, name)?.into_iter().filter(|path| path.exists());
    Ok(if method == Method::Cron { vec![CRONTAB.to_owned()] } else { there.map(|path| shown_path(&path)).collect() })
}

fn shown_path(path: &Path) -> String {
    path.to_string_lossy().into_owned()
}

/// Puts a job in place; when that fails, all is as it was before.
fn put(method: Method, job: &Job) -> Result<(), Failure> {
    let texts = texts_for(method, job)?;
    if method == Method::Cron {
        let cut = cron::cut(&crontab()?, &job.name)?;
        let block: String = texts.into_iter().map(|(_, block)| block).collect();
        return set_crontab(&cron::with(cut.rest, &block));
    }
    let files = files(method, &job.name)?;
    let before: Vec<Option<Vec<u8>>> = files.iter().map(|path| std::fs::read(path).ok()).collect();
    let was_there = before.iter().any(Option::is_some);
    let written = files.iter().enumerate().try_for_each(|(at, path)| match texts.get(at) {
        Some((_, text)) => write(path, text.as_bytes()),
        None => removed(path),
    });
    written.and_then(|()| start(method, &job.name)).map_err(|failure| {
        if !was_there {
            let _ = stop(method, &job.name);
        }
        let restored: Result<Vec<()>, Failure> = files
            .iter()
            .zip(&before)
            .map(|(path, before)| before.as_ref().map_or_else(|| removed(path), |bytes| write(path, bytes)))
            .collect();
        // Of what it was told in vain, the manager is to know as little as before.
        let _ = if was_there { start(method, &job.name) } else { reload(method) };
        match restored {
            Ok(_) => failure,
            Err(left) => Failure { message: format!("{}; and {}", failure.message, left.message), ..failure },
        }
    })
}

/// Takes a job away.
fn take_away(method: Method, name: &str) -> Result<(), Failure> {
    if method == Method::Cron {
        return set_crontab(&cron::cut(&crontab()?, name)?.rest);
    }
    let files = files(method, name)?;
    let stopped = stop(method, name);
    // What somebody took away in part can still be taken away whole.
    if files.iter().any(|path| is_timer(path) && path.exists()) {
        stopped.map_err(|failure| failure.with_hint("nothing was removed; it needs a session of this user"))?;
    }
    files.iter().try_for_each(|path| removed(path))?;
    // What runs it has stopped, and knows nothing of it after the next start at the latest.
    let _ = reload(method);
    Ok(())
}

fn start(method: Method, name: &str) -> Result<(), Failure> {
    if method == Method::Launchd {
        stop(method, name)?;
        let domain = launchd_domain();
        let files = files(method, name)?;
        return files
            .iter()
            .try_for_each(|file| call("launchctl", &["bootstrap", &domain, &shown_path(file)], None).map(drop));
    }
    let [_, timer, _] = systemd::names(name);
    reload(method)?;
    systemctl(&["enable", &timer])?;
    // A timer that runs already keeps its old hour until it is started anew.
    systemctl(&["restart", &timer])
}

fn stop(method: Method, name: &str) -> Result<(), Failure> {
    let [_, timer, _] = systemd::names(name);
    match method {
        Method::Launchd => {
            let target = format!("{}/{}", launchd_domain(), schedule::title(name));
            // It is no failure that it was not loaded.
            let _ = call("launchctl", &["bootout", &target], None);
            Ok(())
        }
        _ => systemctl(&["disable", "--now", &timer]),
    }
}

fn reload(method: Method) -> Result<(), Failure> {
    if method == Method::Systemd { systemctl(&["daemon-reload"]) } else { Ok(()) }
}

fn is_timer(path: &Path) -> bool {
    path.extension().is_some_and(|extension| extension == "timer")
}

fn launchd_domain() -> String {
    format!("gui/{}", rustix::process::getuid().as_raw())
}

fn systemctl(words: &[&str]) -> Result<(), Failure> {
    call("systemctl", &[&["--user"], words].concat(), None).map(drop)
}

/// The user's crontab; empty when there is none.
fn crontab() -> Result<Vec<u8>, Failure> {
    let output = output("crontab", &["-l"], None)?;
    let said = String::from_utf8_lossy(&output.stderr).to_ascii_lowercase();
    let is_none = ["no crontab", "no such file"].iter().any(|words| said.contains(words));
    match output.status.code() {
        Some(0) => Ok(output.stdout),
        Some(1) if output.stdout.is_empty() && is_none => Ok(Vec::new()),
        _ => Err(failed("crontab", &["-l"], &output)),
    }
}

fn set_crontab(text: &[u8]) -> Result<(), Failure> {
    let done = if text.is_empty() { call("crontab", &["-r"], None) } else { call("crontab", &["-"], Some(text)) };
    done.map(drop)
}

/// Runs a program of the system; what it printed.
fn call(program: &str, arguments: &[&str], stdin: Option<&[u8]>) -> Result<Vec<u8>, Failure> {
    let output = output(program, arguments, stdin)?;
    if output.status.success() { Ok(output.stdout) } else { Err(failed(program, arguments, &output)) }
}

fn output(program: &str, arguments: &[&str], stdin: Option<&[u8]>) -> Result<Output, Failure> {
    let failed = |error: std::io::Error| match error.kind() {
        std::io::ErrorKind::NotFound => Failure::failed(format!("there is no {program} here")),
        kind => Failure::failed(format!("cannot run {program}: {kind}")),
    };
    let mut command = Command::new(program);
    // Its words and its times are read here.
    command.args(arguments).env("LC_ALL", "C").env("TZ", "UTC").env_remove("CONVAULT_PASSWORD");
    command.stdin(if stdin.is_some() { Stdio::piped() } else { Stdio::null() });
    let mut child = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().map_err(failed)?;
    if let (Some(mut pipe), Some(bytes)) = (child.stdin.take(), stdin) {
        // Where it does not read, its exit status says why.
        let _ = pipe.write_all(bytes);
    }
    child.wait_with_output().map_err(failed)
}

fn failed(program: &str, arguments: &[&str], output: &Output) -> Failure {
    let said = String::from_utf8_lossy(&output.stderr);
    let cause = said.lines().map(str::trim).find(|line| !line.is_empty()).unwrap_or("it does not say why");
    Failure::failed(format!("{program} {}: {}: {cause}", arguments.join(" "), output.status))
}

/// Writes a file that is there whole or not at all.
fn write(path: &Path, bytes: &[u8]) -> Result<(), Failure> {
    let failed = |error: std::io::Error| Failure::io(path, &error);
    if let Some(folder) = path.parent() {
        DirBuilder::new().recursive(true).mode(0o700).create(folder).map_err(failed)?;
    }
    let part = path.with_extension("part");
    let open = OpenOptions::new().write(true).create(true).truncate(true).mode(0o600).open(&part);
    let written = open.and_then(|mut file| file.write_all(bytes).and_then(|()| file.sync_all()));
    written.and_then(|()| std::fs::rename(&part, path)).map_err(|error| {
        let _ = std::fs::remove_file(&part);
        failed(error)
    })
}

fn removed(path: &Path) -> Result<(), Failure> {
    match std::fs::remove_file(path) {
        Err(error) if error.kind() != std::io::ErrorKind::NotFound => Err(Failure::io(path, &error)),
        _ => Ok(()),
    }
}

/// When a timer elapses next, where systemd says it.
fn next(method: Method, name: &str) -> Option<Instant> {
    if method != Method::Systemd {
        return None;
    }
    let [_, timer, _] = systemd::names(name);
    let said = call("systemctl", &["--user", "show", "-p", "NextElapseUSecRealtime", &timer], None).ok()?;
    let said = String::from_utf8(said).ok()?;
    // `NextElapseUSecRealtime=Fri 2026-11-27 04:33:12 UTC`, or nothing behind the sign.
    let words: Vec<&str> = said.trim().split_once('=')?.1.split(' ').collect();
    match words.as_slice() {
        [_, day, time, "UTC"] => Instant::parse(&format!("{day}T{time}Z")).ok(),
        _ => None,
    }
}

fn shown(session: &Session, vault: &Path, there: &[Installed]) -> Outcome {
    let (mut text, mut warnings, mut schedules) = (String::new(), Vec::new(), Vec::new());
    for one in there {
        let next = one.job.as_ref().and_then(|job| next(one.method, &job.name));
        text.push_str(&match &one.job {
            Some(job) => describe(session, one.method, job, next),
            None => format!("{}: something that is not readable any more\n", one.method.word()),
        });
        for place in &one.places {
            text.push_str(&format!("  written in  {}\n", inert_line(place)));
        }
        if let Some(job) = one.job.as_ref().filter(|job| !is_there(job)) {
            warnings.push(format!("the key file {} is not there: every run fails", job.credential));
        }
        if !one.is_as_made {
            let word = one.method.word();
            warnings.push(format!(
                "{word} has something else than this version of convault makes of it; schedule install makes it anew"
            ));
        }
        schedules.push(one.json(next));
    }
    Outcome { text, json: document(vault, schedules), warnings, ..Outcome::default() }
}

fn describe(session: &Session, method: Method, job: &Job, next: Option<Instant>) -> String {
    let words: Vec<String> = job.command().iter().map(|word| shown_word(word)).collect();
    let mut text = format!("{}: every day at {}\n", method.word(), job.at);
    let mut line = |what: &str, is: &str| text.push_str(&format!("  {what:10}  {}\n", inert_line(is)));
    line("runs", &words.join(" "));
    if let Some(next) = next {
        line("next", &session.minute(next));
    }
    line("key file", &format!("{}{}", job.credential, if is_there(job) { "" } else { " (not there)" }));
    line("on failure", job.on_failure.as_deref().unwrap_or("nothing more"));
    text
}

/// A word as a reader can copy it into a shell.
fn shown_word(word: &str) -> String {
    let is_plain = !word.is_empty() && word.chars().all(|c| c.is_alphanumeric() || "/._-+@=:,".contains(c));
    if is_plain { word.to_owned() } else { format!("'{}'", word.replace('\'', r"'\''")) }
}

fn is_there(job: &Job) -> bool {
    Path::new(&job.credential).is_file()
}

fn document(vault: &Path, schedules: Vec<Value>) -> Value {
    json!({ "schema": "convault.schedule/1", "vault": vault.to_string_lossy(), "schedules": schedules })
}

/// What is worth knowing of a method on the day that it is chosen.
fn notes(method: Method, tells: bool) -> Vec<String> {
    let runs = match method {
        Method::Systemd => {
            "it runs while you are logged in, and catches up at the next login; loginctl enable-linger makes it run always"
        }
        Method::Cron => "a day that was missed is caught up when the machine starts, not when it wakes",
        Method::Launchd => "it runs while you are logged in, and catches up when the machine wakes",
    };
    let fails = match method {
        Method::Systemd => "a purge that fails is seen in journalctl --user only; --on-failure COMMAND tells you",
        Method::Cron => "a purge that fails is told by the mail of cron only; --on-failure COMMAND tells you",
        Method::Launchd => "a purge that fails tells nobody; --on-failure COMMAND tells you",
    };
    std::iter::once(runs).chain((!tells).then_some(fails)).map(str::to_owned).collect()
}

impl Method {
    fn word(self) -> &'static str {
        match self {
            Self::Systemd => "systemd",
            Self::Cron => "cron",
            Self::Launchd => "launchd",
        }
    }
}

impl Installed {
    fn json(&self, next: Option<Instant>) -> Value {
        let job = self.job.as_ref();
        json!({
            "method": self.method.word(),
            "at": job.map(|job| job.at.to_string()),
            "next": next.map(|next| next.to_string()),
            "command": job.map(Job::command),
            "credential": job.map(|job| &job.credential),
            "credential_is_there": job.map(is_there),
            "on_failure": job.and_then(|job| job.on_failure.as_ref()),
            "places": self.places,
            "as_made": self.is_as_made,
        })
    }
}

impl From<ScheduleError> for Failure {
    fn from(error: ScheduleError) -> Self {
        let hint = match &error {
            ScheduleError::NotATime(_) => return Self::usage(error.to_string(), "give hours and minutes: --at 04:30"),
            ScheduleError::Program(_) => "put the program elsewhere, or use --method cron",
            ScheduleError::Unpaired(_) => "mend the crontab: crontab -e",
            _ => "give it another name",
        };
        Self::failed(error.to_string()).with_hint(hint)
    }
}
