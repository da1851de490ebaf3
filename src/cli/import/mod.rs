//! `import`: which inputs there are, which formats they are of, and one import after another.

mod report;

use std::io::IsTerminal;
use std::path::Path;

use super::arguments::{Import, Init};
use super::failure::{Failure, code};
use super::output::Outcome;
use super::purge::compile_what_came;
use super::session::Session;
use super::unsealing::Unsealer;
use super::{confirm, init, process, progress};
use crate::bundle::{Bundle, BundleError, FileId};
use crate::import::{DetectError, Importer, by_name, detect, detect_all, detect_more};
use crate::ingest::{self, Options, Report};
use crate::vault::{Depositing, Vault, VaultError, Who};

pub(super) use report::{Input, count, outcome};

pub(super) fn run(session: &Session, options: &Import) -> Result<Outcome, Failure> {
    // Before a password is asked for, or a vault made for nothing.
    if let [path] = options.paths.as_slice()
        && let Err(error) = std::fs::metadata(path)
    {
        return Err(unreadable(path, &error.into()));
    }
    let unsealer = Unsealer::new(session, &options.unsealing);
    if let [path] = options.paths.as_slice()
        && path.is_file()
    {
        unsealer.refuse_without_key(path)?;
    }
    let to = if options.check { To::Nothing } else { open_or_make(session, options)? };
    let own = own_files(session, &to);
    let mut work = Work { session, options, to, inputs: Vec::new(), failures: Vec::new(), own, unsealer };
    for path in &options.paths {
        if let Err(failure) = work.path(path) {
            // What came before it is stored, and has to be known to the holds.
            if let To::Vault(vault) = &mut work.to {
                compile_what_came(session, vault)?;
            }
            return Err(failure);
        }
    }
    let mut notes = Vec::new();
    match work.to {
        To::Nothing => {}
        To::Vault(mut vault) => {
            compile_what_came(session, &mut vault)?;
            session.close(vault)?;
        }
        To::Inbox(inbox) => {
            inbox.close()?;
            notes.push(
                "deposited: nobody sees it before the next purge or command of an owner; until then class E1"
                    .to_owned(),
            );
        }
    }
    let Work { inputs, mut failures, .. } = work;
    // A single input that failed is the command's failure, in full.
    if inputs.is_empty()
        && failures.len() == 1
        && let Some((_, failure)) = failures.pop()
    {
        return Err(failure);
    }
    let mut outcome = outcome(options.check, &inputs, &failures);
    outcome.notes.extend(notes);
    Ok(outcome)
}

/// Where conversations go.
enum To {
    /// Nowhere: they are read and reported.
    Nothing,
    Vault(Vault),
    /// The inbox, by a depositor.
    Inbox(Depositing),
}

/// An import of several inputs under way.
struct Work<'a> {
    session: &'a Session,
    options: &'a Import,
    to: To,
    inputs: Vec<Input>,
    failures: Vec<(String, Failure)>,
    /// The files of the vault, which no import may touch.
    own: Vec<FileId>,
    unsealer: Unsealer<'a>,
}

impl Work<'_> {
    /// Imports what stands at a path. Only an interruption ends the work; what fails is kept to be told.
    fn path(&mut self, path: &Path) -> Result<(), Failure> {
        let bundle = match self.bundle(path) {
            Ok(bundle) => bundle,
            Err(failure) => return self.fail(path, failure),
        };
        for (name, error) in bundle.unreadable() {
            let path = path.join(name);
            self.fail(&path, unreadable(&path, error))?;
        }
        let asked = self.options.format.as_deref().and_then(by_name);
        let formats = match (asked, bundle.is_folder()) {
            (Some(format), _) => Ok(vec![format]),
            (None, true) => detect_all(&bundle),
            (None, false) => detect(&bundle).map(|(format, _)| vec![format]),
        };
        let mut formats = match formats {
            Ok(formats) => formats,
            // Of a folder there may be zips to read.
            Err(DetectError::Unknown) if bundle.is_folder() => Vec::new(),
            Err(error) => return self.fail(path, Failure::from(error).at(path)),
        };
        // What no format of the folder knows; a file that one of them reads is no stranger to the others.
        let mut unknown: Vec<usize> = (0..bundle.members().len()).collect();
        let mut known: Vec<&str> = Vec::new();
        let mut inputs = Vec::new();
        let mut passed_over = bundle.passed_over().clone();
        loop {
            for format in formats {
                known.push(format.name());
                match self.read(path, &bundle, format) {
                    Ok(mut report) => {
                        unknown.retain(|member| report.unknown.binary_search(member).is_ok());
                        // Once for the folder, and not once for each format in it.
                        report.passed_over = std::mem::take(&mut passed_over);
                        inputs.push(Input::of(path, report));
                    }
                    Err(failure) => {
                        // It is not known what the format would have read, so nothing is called a stranger.
                        unknown.clear();
                        self.fail(path, failure)?;
                    }
                }
            }
            if asked.is_some() || !bundle.is_folder() {
                break;
            }
            formats = match detect_more(&bundle, &unknown, &known) {
                Ok(more) if more.is_empty() => break,
                Ok(more) => more,
                Err(error) => {
                    self.fail(path, Failure::from(error).at(path))?;
                    break;
                }
            };
        }
        let zips: Vec<usize> = match bundle.is_folder() && asked.is_none() {
            true => unknown.iter().copied().filter(|member| bundle.is_zip(*member)).collect(),
            false => Vec::new(),
        };
        if known.is_empty() && zips.is_empty() {
            return self.fail(path, Failure::from(DetectError::Unknown).at(path));
        }
        unknown.retain(|member| !zips.contains(member));
        if inputs.is_empty() && (!unknown.is_empty() || !passed_over.is_empty()) {
            // A folder of zips has no format, and things beside them all the same.
            let mut report = Report::default();
            report.passed_over = passed_over;
            inputs.push(Input::of(path, report));
        }
        if let Some(input) = inputs.first_mut() {
            for member in unknown.iter().filter_map(|member| bundle.members().get(*member)) {
                *input.unknown.entry(member.extension()).or_default() += 1;
            }
        }
        self.inputs.append(&mut inputs);
        for zip in zips.into_iter().filter_map(|member| bundle.path(member)) {
            self.path(zip)?;
        }
        Ok(())
    }

    /// A path as a bundle; of an age file what is in it.
    fn bundle(&self, path: &Path) -> Result<Bundle, Failure> {
        // Nothing of the vault is opened by its path: the lock would go with what is closed.
        let is_own = FileId::at(path).is_some_and(|id| self.own.contains(&id));
        if path.is_file()
            && !is_own
            && let Some(plaintext) = self.unsealer.plaintext(path)?
        {
            let name = path.file_name().map_or_else(|| "input".into(), |name| name.to_string_lossy());
            let name = name.strip_suffix(".age").unwrap_or(&name);
            return Bundle::from_opened(name, plaintext).map_err(|error| unreadable(path, &error));
        }
        Bundle::open_path_without(path, &self.own).map_err(|error| unreadable(path, &error))
    }

    fn fail(&mut self, path: &Path, failure: Failure) -> Result<(), Failure> {
        match failure.code {
            code::INTERRUPTED if !self.inputs.is_empty() => {
                // Each input is a transaction of its own; those before this one are there.
                let message =
                    format!("interrupted; {} before this one stored", count(self.inputs.len() as u64, "input"));
                Err(Failure { message, ..failure })
            }
            code::INTERRUPTED => Err(failure),
            _ => {
                self.failures.push((path.to_string_lossy().into_owned(), failure));
                Ok(())
            }
        }
    }

    fn read(&mut self, path: &Path, bundle: &Bundle, importer: &dyn Importer) -> Result<Report, Failure> {
        let meter = progress::Meter::start(self.session, bundle, path);
        process::stop_on_signals(&meter.progress.stop);
        let options = Options {
            importer,
            tags: &self.options.tag,
            now: self.session.now,
            allow_resurrect: self.options.allow_resurrect,
            besides: &[],
        };
        let report = match &mut self.to {
            To::Nothing => ingest::check(bundle, importer, &meter.progress),
            To::Vault(vault) => ingest::import(vault, bundle, &options, &meter.progress),
            To::Inbox(inbox) => ingest::deposit(inbox, bundle, &options, &meter.progress),
        };
        drop(meter);
        Ok(report?)
    }
}

/// The files that a vault is made of.
fn own_files(session: &Session, to: &To) -> Vec<FileId> {
    let anchor = match to {
        To::Vault(vault) => vault.anchor().1.map(Path::to_owned),
        _ => None,
    };
    session.own_files(anchor)
}

fn unreadable(path: &Path, error: &BundleError) -> Failure {
    let code = if matches!(error, BundleError::Unsealed(_)) { code::DAMAGE } else { code::FAILED };
    Failure { code, ..Failure::failed(format!("{}: {error}", path.display())) }
}

fn open_or_make(session: &Session, options: &Import) -> Result<To, Failure> {
    if session.path.exists() || session.global.no_input || !std::io::stdin().is_terminal() {
        let unopened = session.unopened()?;
        return match session.who(&unopened)? {
            Who::Owner(keys) => Ok(To::Vault(session.owned(unopened.open_as(keys, session.anchor())?)?)),
            Who::Depositor(_) if !options.tag.is_empty() || options.allow_resurrect => Err(Failure::usage(
                "a depositor can neither tag nor bring back what was erased",
                "leave --tag and --allow-resurrect out",
            )),
            Who::Depositor(keys) => Ok(To::Inbox(unopened.deposit_as(keys)?)),
            other => Err(VaultError::NotAllowed(other.role()).into()),
        };
    }
    let question = format!("No vault at {}. Make one?", session.path.display());
    if !confirm::confirm(&question, false)? {
        return Err(Failure::failed("no vault was made, and nothing was imported"));
    }
    let (vault, code) = init::make(session, &Init::default())?;
    let said = init::describe(&vault, code.as_ref());
    eprint!("{}", said.text);
    Ok(To::Vault(vault))
}
