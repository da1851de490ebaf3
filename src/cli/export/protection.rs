//! How an export is protected: to age recipients, under a passphrase, or not at all; and the output that does it.

use std::io::{self, Write};

use zeroize::Zeroizing;

use super::target::Target;
use super::unwritten;
use crate::cli::arguments::{Export, ExportFormat};
use crate::cli::failure::Failure;
use crate::cli::secrets::{SecretError, Sources};
use crate::cli::session::Session;
use crate::crypto::Password;
use crate::crypto::age::{Encryptor, Recipient};
use crate::crypto::page::{NewPage, PageWriter};
use crate::export::html::sealed::{Parameters, Shell};
use crate::fold::composed;

/// What was asked for.
pub(in crate::cli) enum Protection {
    Plain,
    Recipients(Vec<Recipient>),
    Passphrase(Password),
    /// A page that opens itself.
    Page(Password),
}

impl Protection {
    /// Reads it from the options; asks for a passphrase where that was said.
    pub(super) fn of(session: &Session, options: &Export) -> Result<Self, Failure> {
        let by_passphrase = options.passphrase || options.passphrase_file.is_some();
        if options.plaintext {
            return Ok(Self::Plain);
        }
        if !options.to.is_empty() {
            return Self::to(&options.to);
        }
        if !by_passphrase {
            return Err(Failure::usage(
                "it is not said how the export is protected",
                "encrypt it with --to age1…, --passphrase or --passphrase-file FILE, or agree to --plaintext",
            ));
        }
        let sources = Sources::beside_the_vaults(options.passphrase_file.as_deref(), session.global.no_input);
        let passphrase = sources.ask_new("Passphrase of the export").map_err(asked)?;
        Ok(match options.format {
            ExportFormat::Html => Self::Page(composed_passphrase(&passphrase)?),
            _ => Self::Passphrase(passphrase),
        })
    }

    /// Encrypted to these recipients.
    pub(in crate::cli) fn to(recipients: &[String]) -> Result<Self, Failure> {
        Ok(Self::Recipients(recipients.iter().map(|typed| Recipient::parse(typed)).collect::<Result<_, _>>()?))
    }

    /// In words, for the log, the known copies and receipts: without a name.
    pub(in crate::cli) fn words(&self) -> String {
        match self {
            Self::Plain => "plaintext".to_owned(),
            Self::Recipients(all) => format!("age, {}", crate::cli::import::count(all.len() as u64, "recipient")),
            Self::Passphrase(_) => "age, passphrase".to_owned(),
            Self::Page(_) => "page, passphrase".to_owned(),
        }
    }

    /// Whether nothing protects it.
    pub(in crate::cli) fn is_plain(&self) -> bool {
        matches!(self, Self::Plain)
    }

    /// An output that does it.
    pub(in crate::cli) fn begin(&self, mut target: Target) -> Result<Sink, Failure> {
        Ok(match self {
            Self::Plain => Sink::Plain(target),
            Self::Recipients(all) => Sink::Age(Box::new(Encryptor::to_recipients(target, all)?)),
            Self::Passphrase(passphrase) => Sink::Age(Box::new(Encryptor::under_passphrase(target, passphrase)?)),
            Self::Page(passphrase) => {
                let page = NewPage::under(passphrase)?;
                let parameters = Parameters { salt: *page.salt(), check: *page.check(), iterations: page.iterations() };
                let begun = target.write_all(Shell::begin(&parameters).as_bytes());
                begun.map_err(|error| unwritten(&error))?;
                Sink::Page(Box::new(page.writer(target)))
            }
        })
    }
}

/// A passphrase as a browser makes it of what is typed.
pub(in crate::cli) fn composed_passphrase(passphrase: &Password) -> Result<Password, Failure> {
    let text = std::str::from_utf8(passphrase.expose())
        .map_err(|_| Failure::failed("the passphrase is not UTF-8, and nobody could type it in a browser"))?;
    Ok(Password::new(Zeroizing::new(composed(text).into_bytes()).to_vec()))
}

/// A passphrase has other sources than a password.
pub(in crate::cli) fn asked(error: SecretError) -> Failure {
    let hint = match error {
        SecretError::NoTerminal | SecretError::NoInput => {
            "give it in a file that only you can read: --passphrase-file FILE"
        }
        _ => return Failure::from(error),
    };
    let failure = Failure::from(error);
    Failure { message: failure.message.replace("no password", "no passphrase"), ..failure }.with_hint(hint)
}

/// The output of an export.
pub(in crate::cli) enum Sink {
    Plain(Target),
    Age(Box<Encryptor<Target>>),
    Page(Box<PageWriter<Target>>),
}

impl Sink {
    /// Ends the encryption; the file has no name yet.
    pub(in crate::cli) fn finish(self) -> Result<Target, Failure> {
        let done = match self {
            Self::Plain(target) => Ok(target),
            Self::Age(encryptor) => encryptor.finish(),
            Self::Page(writer) => writer.finish().and_then(|mut target| {
                target.write_all(Shell::END.as_bytes())?;
                Ok(target)
            }),
        };
        done.map_err(|error| unwritten(&error))
    }
}

impl Write for Sink {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        match self {
            Self::Plain(target) => target.write(bytes),
            Self::Age(encryptor) => encryptor.write(bytes),
            Self::Page(writer) => writer.write(bytes),
        }
    }

    fn flush(&mut self) -> io::Result<()> {
        match self {
            Self::Plain(target) => target.flush(),
            Self::Age(encryptor) => encryptor.flush(),
            Self::Page(writer) => writer.flush(),
        }
    }
}
