//! `import`: which inputs there are, which formats they are of, and one import after another.

mod report;

use std::collections::BTreeMap;
use std::io::IsTerminal;
use std::path::Path;

use super::arguments::{Import, Init};
use super::failure::{Failure, code};
use super::output::Outcome;
use super::session::Session;
use super::{confirm, init, process, progress};
use crate::bundle::{Bundle, BundleError};
use crate::import::{DetectError, Importer, by_name, detect, detect_all};
use crate::ingest::{self, Options, Report};
use crate::vault::Vault;

pub(super) use report::{Input, count, outcome};

pub(super) fn run(session: &Session, options: &Import) -> Result<Outcome, Failure> {
    // Before a password is asked for, or a vault made for nothing.
    if let [path] = options.paths.as_slice()
        && let Err(error) = std::fs::metadata(path)
    {
        return Err(unreadable(path, &error.into()));
    }
    let mut work = Work { session, options, vault: None, inputs: Vec::new(), failures: Vec::new() };
    if !options.check {
        work.vault = Some(open_or_make(session)?);
    }
    for path in &options.paths {
        work.path(path)?;
    }
    if let Some(vault) = work.vault {
        vault.close()?;
    }
    let Work { inputs, mut failures, .. } = work;
    // A single input that failed is the command's failure, in full.
    if inputs.is_empty()
        && failures.len() == 1
        && let Some((_, failure)) = failures.pop()
    {
        return Err(failure);
    }
    Ok(outcome(options.check, &inputs, &failures))
}

/// An import of several inputs under way.
struct Work<'a> {
    session: &'a Session,
    options: &'a Import,
    vault: Option<Vault>,
    inputs: Vec<Input>,
    failures: Vec<(String, Failure)>,
}

impl Work<'_> {
    /// Imports what stands at a path. Only an interruption ends the work; what fails is kept to be told.
    fn path(&mut self, path: &Path) -> Result<(), Failure> {
        let bundle = match Bundle::open_path(path) {
            Ok(bundle) => bundle,
            Err(error) => return self.fail(path, unreadable(path, &error)),
        };
        let asked = self.options.format.as_deref().and_then(by_name);
        let formats = match (asked, bundle.is_folder()) {
            (Some(format), _) => Ok(vec![format]),
            (None, true) => detect_all(&bundle),
            (None, false) => detect(&bundle).map(|(format, _)| vec![format]),
        };
        let formats = match formats {
            Ok(formats) => formats,
            // Of a folder there may be zips to read.
            Err(DetectError::Unknown) if bundle.is_folder() => Vec::new(),
            Err(error) => return self.fail(path, named(path, error)),
        };
        // What no format of the folder knows; a file that one of them reads is no stranger to the others.
        let mut unknown: Vec<usize> = (0..bundle.members().len()).collect();
        let first = self.inputs.len();
        for format in &formats {
            match self.read(path, &bundle, *format) {
                Ok(report) => {
                    let known = &report.unknown;
                    unknown.retain(|member| known.binary_search(member).is_ok());
                    self.inputs.push(Input {
                        name: path.to_string_lossy().into_owned(),
                        report,
                        unknown: BTreeMap::new(),
                    });
                }
                Err(failure) => {
                    // It is not known what the format would have read, so nothing is called a stranger.
                    unknown.clear();
                    self.fail(path, failure)?;
                }
            }
        }
        let zips: Vec<usize> = match bundle.is_folder() && asked.is_none() {
            true => unknown.iter().copied().filter(|member| bundle.is_zip(*member)).collect(),
            false => Vec::new(),
        };
        if formats.is_empty() && zips.is_empty() {
            return self.fail(path, named(path, DetectError::Unknown));
        }
        if let Some(input) = self.inputs.get_mut(first) {
            for member in
                unknown.iter().filter(|member| !zips.contains(member)).filter_map(|at| bundle.members().get(*at))
            {
                *input.unknown.entry(member.extension()).or_default() += 1;
            }
        }
        for member in zips.into_iter().filter_map(|member| bundle.members().get(member)) {
            self.path(&path.join(&member.name))?;
        }
        Ok(())
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
        let report = match &mut self.vault {
            None => ingest::check(bundle, importer, &meter.progress),
            Some(vault) => {
                let options = Options { importer, tags: &self.options.tag, now: self.session.now };
                ingest::import(vault, bundle, &options, &meter.progress)
            }
        };
        drop(meter);
        Ok(report?)
    }
}

fn named(path: &Path, error: DetectError) -> Failure {
    let failure = Failure::from(error);
    Failure { message: format!("{}: {}", path.display(), failure.message), ..failure }
}

fn unreadable(path: &Path, error: &BundleError) -> Failure {
    Failure::failed(format!("{}: {error}", path.display()))
}

fn open_or_make(session: &Session) -> Result<Vault, Failure> {
    if session.path.exists() || session.global.no_input || !std::io::stdin().is_terminal() {
        return session.open();
    }
    let question = format!("No vault at {}. Make one?", session.path.display());
    if !confirm::confirm(&question, false)? {
        return Err(Failure::failed("no vault was made, and nothing was imported"));
    }
    let (vault, code) = init::make(session, &Init::default())?;
    let said = init::describe(&vault, code.as_ref());
    eprint!("{}", said.text);
    Ok(vault)
}
