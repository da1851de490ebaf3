//! `completions` and `man`, from the same declaration as the help.

use clap::CommandFactory;

use super::arguments::{Arguments, Completions, Man};
use super::failure::Failure;
use super::output::Outcome;

pub(super) fn completions(options: &Completions) -> Outcome {
    let mut bytes = Vec::new();
    clap_complete::generate(options.shell, &mut Arguments::command(), "convault", &mut bytes);
    Outcome { bytes: Some(bytes), ..Outcome::default() }
}

pub(super) fn man(options: &Man) -> Result<Outcome, Failure> {
    let mut command = Arguments::command();
    command.build();
    if let Some(name) = &options.command {
        command = command
            .find_subcommand(name)
            .cloned()
            .ok_or_else(|| Failure::usage(format!("no such command: {name}"), "convault --help lists them"))?;
    }
    let mut bytes = Vec::new();
    let title = match &options.command {
        Some(name) => format!("convault-{name}"),
        None => "convault".to_owned(),
    };
    let rendered = clap_mangen::Man::new(command).title(title).render(&mut bytes);
    rendered.map_err(|error| Failure::failed(format!("cannot write the manual page: {error}")))?;
    Ok(Outcome { bytes: Some(bytes), ..Outcome::default() })
}
