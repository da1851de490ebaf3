//! The command line: the only door to arguments, environment, stdout, stderr and terminal.
//!
//! `arguments.rs` declares what can be typed, one file for each noun does it and returns an
//! `output::Outcome`, and `output.rs` prints that. `failure.rs` alone decides exit codes.

mod anchor;
mod arguments;
mod audit;
mod backup;
pub mod confirm;
mod copies;
mod credential;
mod demo;
mod deposits;
mod erase;
mod excerpt;
mod explain;
mod export;
mod failure;
mod given;
mod hold;
mod import;
mod init;
mod inspect;
mod manual;
mod order;
mod output;
mod pager;
mod policy;
mod process;
mod progress;
mod purge;
mod read;
mod receipt;
mod schedule;
mod search;
pub mod secrets;
mod seen;
mod session;
mod show;
mod tag;
pub mod terminal;
mod unsealing;
mod verify;

use std::ffi::OsString;
use std::process::ExitCode;

use clap::{CommandFactory, Parser};

use arguments::{Arguments, Command};
use failure::Failure;
use output::{Outcome, Printer};
use session::Session;

/// Runs the command line and prints its result; the exit code.
pub fn run(arguments: impl IntoIterator<Item = OsString>) -> ExitCode {
    process::harden();
    let arguments = order::selectors_last(arguments, Arguments::command());
    let arguments = match Arguments::try_parse_from(arguments) {
        Ok(arguments) => arguments,
        Err(error) => return output::mistake(&error),
    };
    let printer = Printer { json: arguments.global.json, quiet: arguments.global.quiet };
    match dispatch(arguments) {
        Ok(outcome) => printer.print(outcome),
        Err(failure) => printer.fail(&failure),
    }
}

fn dispatch(arguments: Arguments) -> Result<Outcome, Failure> {
    let session = Session::new(arguments.global)?;
    match arguments.command {
        Command::Init(options) => init::run(&session, &options),
        Command::Import(options) => import::run(&session, &options),
        Command::List(options) => read::list(&session, &options),
        Command::Show(options) => show::run(&session, &options),
        Command::Search(options) => search::run(&session, &options),
        Command::Tag(options) => tag::run(&session, &options),
        Command::Export(options) => export::run(&session, &options),
        Command::Verify(options) => verify::run(&session, &options),
        Command::Copies(options) => copies::run(&session, &options),
        Command::Excerpt(options) => excerpt::run(&session, &options),
        Command::Erase(options) => erase::run(&session, &options),
        Command::DestroyVault(options) => erase::destroy_vault(&session, &options),
        Command::Policy(options) => policy::run(&session, &options),
        Command::Hold(options) => hold::run(&session, &options),
        Command::Explain(options) => explain::run(&session, &options),
        Command::Purge(options) => purge::run(&session, &options),
        Command::Schedule(options) => schedule::run(&session, &options),
        Command::Restore(options) => purge::restore(&session, &options),
        Command::Receipt(options) => receipt::run(&session, &options),
        Command::Audit(options) => audit::run(&session, &options),
        Command::Status => inspect::status(&session),
        Command::Check => inspect::check(&session),
        Command::Doctor => inspect::doctor(&session),
        Command::Backup(options) => backup::run(&session, &options),
        Command::Recover(options) => backup::recover(&session, &options),
        Command::Anchor(options) => anchor::run(&session, &options),
        Command::Credential(options) => credential::run(&session, &options),
        Command::Demo => demo::run(&session),
        Command::Completions(options) => Ok(manual::completions(&options)),
        Command::Man(options) => manual::man(&options),
    }
}
