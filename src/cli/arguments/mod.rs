//! What can be typed: one declaration from which parsing, help, completions and man pages come.

use std::ffi::OsString;
use std::path::PathBuf;

mod reading;

use clap::builder::PossibleValuesParser;
use clap::{Args, Parser, Subcommand, ValueEnum};
pub(in crate::cli) use reading::{List, Search, Show, SortBy};

use crate::import::FORMATS;

/// Keep conversations sealed in one encrypted file, find them and read them.
#[derive(Parser)]
#[command(name = "convault", version, max_term_width = 100, after_help = EXIT_CODES)]
pub(super) struct Arguments {
    #[command(flatten)]
    pub(super) global: Global,
    #[command(subcommand)]
    pub(super) command: Command,
}

const EXIT_CODES: &str = "\
Exit codes:
    0 done               1 failed, or nothing matched    2 usage
    3 done in part      10 no vault                     11 vault busy
   12 wrong password    13 the credential may not      14 everything is held
   15 damage, or a check failed
   16 refused by a limit    17 disk full               130 interrupted

Without --vault the vault is $XDG_DATA_HOME/convault/vault.db, or
~/.local/share/convault/vault.db. More: convault help COMMAND, convault man.";

/// Commands whose words may begin with a hyphen and be no option: `-tag:work`, `-draft`.
pub(super) const TAKE_SELECTORS: [&str; 7] = ["list", "search", "tag", "erase", "export", "place", "add"];

/// Above the options that every command has.
const EVERY: &str = "Options of every command";

/// Options of every command.
#[derive(Args, Clone)]
pub(super) struct Global {
    /// The vault file
    #[arg(long, global = true, help_heading = EVERY, value_name = "PATH", env = "CONVAULT_VAULT")]
    pub(super) vault: Option<PathBuf>,
    /// The anchor file, when it is not where the vault remembers it
    #[arg(long, global = true, help_heading = EVERY, value_name = "PATH", env = "CONVAULT_ANCHOR")]
    pub(super) anchor_file: Option<PathBuf>,
    /// Read the password from a file that only you can read (mode 0600)
    #[arg(long, global = true, help_heading = EVERY, value_name = "FILE")]
    pub(super) password_file: Option<PathBuf>,
    /// Take the password from what a command prints
    #[arg(long, global = true, help_heading = EVERY, value_name = "COMMAND")]
    pub(super) password_command: Option<OsString>,
    /// Read the password from an open file descriptor
    #[arg(long, global = true, help_heading = EVERY, value_name = "N")]
    pub(super) password_fd: Option<u32>,
    /// Act with the credential in this key file (mode 0600), without a password
    #[arg(long, global = true, help_heading = EVERY, value_name = "KEYFILE")]
    pub(super) credential: Option<PathBuf>,
    /// Print one JSON document, for programs
    #[arg(long, global = true, help_heading = EVERY)]
    pub(super) json: bool,
    /// Print results only, no remarks
    #[arg(long, short, global = true, help_heading = EVERY)]
    pub(super) quiet: bool,
    /// Go on from an older copy of the vault than this machine has seen; it is logged
    #[arg(long, global = true, help_heading = EVERY)]
    pub(super) accept_rollback: bool,
    /// Never ask; fail where a question would be needed
    #[arg(long, global = true, help_heading = EVERY)]
    pub(super) no_input: bool,
}

#[derive(Subcommand)]
pub(super) enum Command {
    /// Make a vault
    Init(Init),
    /// Bring conversations in, from files, folders or zips
    Import(Import),
    /// List conversations, latest first
    List(List),
    /// Show a conversation
    Show(Show),
    /// Find conversations by what is said in them
    Search(Search),
    /// Add and remove tags
    Tag(Tag),
    /// Hand conversations out, encrypted and signed
    Export(Export),
    /// Check an export, anywhere and without a password
    Verify(Verify),
    /// Take less out of a signed export; needs no vault
    Excerpt(Excerpt),
    /// Say where else conversations are
    Copies(Copies),
    /// Destroy conversations now, check it, and write a receipt
    Erase(Erase),
    /// Say what is kept and what is destroyed
    Policy(Policy),
    /// Keep conversations for a matter, whatever the policy says
    Hold(Hold),
    /// Say how a conversation stands, and by which rule
    Explain(Explain),
    /// Destroy what the policy says is due, check it, and write a receipt
    Purge(Purge),
    /// Let the system run a purge every day
    Schedule(Schedule),
    /// Bring a conversation that is due back
    Restore(Restore),
    /// List, show and check receipts of erasures
    Receipt(Receipt),
    /// Destroy the vault with everything in it
    DestroyVault(DestroyVault),
    /// Read the log, check it, or print its checkpoint
    Audit(Audit),
    /// Say what the vault holds and how it is kept
    Status,
    /// Check every signature, hash and sealed byte
    Check,
    /// Look at what around the vault could weaken it
    Doctor,
    /// Copy the vault file and check the copy; needs no password
    Backup(Backup),
    /// Make the vault anew out of an older copy, the anchor and the keyring copy beside it
    Recover(Recover),
    /// Show where the anchor is, or move it
    Anchor(Anchor),
    /// Give credentials out, take them back, change a password
    Credential(Credential),
    /// Show it all on a vault that is thrown away
    Demo,
    /// Print completions for a shell
    Completions(Completions),
    /// Print the manual page of convault, or of one command
    Man(Man),
}

#[derive(Args, Default)]
pub(super) struct Init {
    /// Where the anchor is kept: embedded, or file:PATH
    #[arg(long, value_name = "PLACE")]
    pub(super) anchor: Option<OsString>,
    /// Make a recovery code and show it once
    #[arg(long)]
    pub(super) recovery_code: bool,
    /// What opening costs: about a second on this machine, or the least that is accepted
    #[arg(long, value_enum, default_value_t = UnlockCost::Calibrated)]
    pub(super) unlock_cost: UnlockCost,
}

#[derive(Clone, Copy, Default, ValueEnum)]
pub(super) enum UnlockCost {
    /// About a second, at least the minimum
    #[default]
    Calibrated,
    /// 64 MiB and 3 passes
    Minimum,
}

#[derive(Args)]
pub(super) struct Import {
    /// Files, folders or zips
    #[arg(required = true, value_name = "PATH")]
    pub(super) paths: Vec<PathBuf>,
    /// The format, when it cannot be told from the content
    #[arg(long, value_parser = PossibleValuesParser::new(FORMATS.iter().map(|format| format.name())))]
    pub(super) format: Option<String>,
    /// Tag what is new; may be repeated
    #[arg(long, value_name = "TAG")]
    pub(super) tag: Vec<String>,
    /// Read and report; store nothing, need no vault
    #[arg(long)]
    pub(super) check: bool,
    /// Bring in again what was erased from this vault
    #[arg(long)]
    pub(super) allow_resurrect: bool,
    #[command(flatten)]
    pub(super) unsealing: Unsealing,
}

/// What opens an encrypted export.
#[derive(Args, Default)]
pub(super) struct Unsealing {
    /// Open an age file with the identity in this file (mode 0600); may be repeated
    #[arg(long, value_name = "FILE")]
    pub(super) identity: Vec<PathBuf>,
    /// Open an age file, or a page that opens itself, with a passphrase, which is asked for
    #[arg(long)]
    pub(super) passphrase: bool,
    /// The same with the passphrase in a file that only you can read
    #[arg(long, value_name = "FILE", conflicts_with = "passphrase")]
    pub(super) passphrase_file: Option<PathBuf>,
}

#[derive(Args)]
pub(super) struct Tag {
    /// Which conversations
    #[arg(required = true, value_name = "SELECTOR")]
    pub(super) selector: Vec<String>,
    /// Add this tag; may be repeated
    #[arg(long, value_name = "TAG")]
    pub(super) add: Vec<String>,
    /// Remove this tag; may be repeated
    #[arg(long, value_name = "TAG")]
    pub(super) remove: Vec<String>,
}

#[derive(Args)]
pub(super) struct Erase {
    /// Which conversations
    #[arg(required = true, value_name = "SELECTOR")]
    pub(super) selector: Vec<String>,
    /// Show what would be destroyed, and destroy nothing
    #[arg(long)]
    pub(super) dry_run: bool,
    /// Do not ask
    #[arg(long)]
    pub(super) yes: bool,
}

#[derive(Args)]
pub(super) struct Policy {
    #[command(subcommand)]
    pub(super) command: PolicyCommand,
}

#[derive(Subcommand)]
pub(super) enum PolicyCommand {
    /// Read a policy and say what is wrong with it; needs no vault
    Check {
        /// The policy (docs/retention.md)
        #[arg(value_name = "FILE")]
        file: PathBuf,
    },
    /// Store a policy as the next version; it is in force after 72 hours
    Set {
        /// The policy (docs/retention.md)
        #[arg(value_name = "FILE")]
        file: PathBuf,
    },
    /// Print the policy as it was written
    Show {
        /// This version, and not the last one
        #[arg(long, value_name = "N")]
        version: Option<u64>,
    },
    /// List every version
    History,
}

#[derive(Args)]
pub(super) struct Hold {
    #[command(subcommand)]
    pub(super) command: HoldCommand,
}

#[derive(Subcommand)]
pub(super) enum HoldCommand {
    /// Place a hold on what a selector selects, now and later
    Place {
        /// Which conversations
        #[arg(required = true, value_name = "SELECTOR")]
        selector: Vec<String>,
        /// The matter
        #[arg(long, value_name = "TEXT")]
        reason: String,
    },
    /// Release a hold; a conversation is free when all of its holds are
    Release {
        /// The hold's id, or the beginning of it
        #[arg(value_name = "ID")]
        id: String,
    },
    /// List the holds, released ones too
    List,
}

#[derive(Args)]
pub(super) struct Explain {
    /// The conversation's id, or the beginning of it (4 characters or more)
    pub(super) id: String,
}

#[derive(Args)]
pub(super) struct Purge {
    /// Show what would be destroyed, and destroy nothing
    #[arg(long)]
    pub(super) dry_run: bool,
    /// With --dry-run: as it will be then
    #[arg(long, value_name = "DATE")]
    pub(super) at: Option<String>,
    /// Destroy only what stands in this plan, as --dry-run --json printed it
    #[arg(long, value_name = "FILE")]
    pub(super) plan: Option<PathBuf>,
    /// Do not ask; then the limits of the policy count
    #[arg(long)]
    pub(super) yes: bool,
}

#[derive(Args)]
pub(super) struct Schedule {
    #[command(subcommand)]
    pub(super) command: ScheduleCommand,
}

#[derive(Subcommand)]
pub(super) enum ScheduleCommand {
    /// Schedule a purge, in the place of one that is scheduled already
    Install {
        /// What runs it, when it is not what is found here
        #[arg(long, value_enum)]
        method: Option<Method>,
        /// When, local time
        #[arg(long, value_name = "HH:MM", default_value = "04:30")]
        at: String,
        /// Run this by sh when a purge fails or was done in part
        #[arg(long, value_name = "COMMAND")]
        on_failure: Option<String>,
    },
    /// Take away what install made
    Remove,
    /// Show what runs, when, by what and with which key file
    Show,
}

#[derive(Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(super) enum Method {
    /// A timer of the user's service manager; catches up with a missed run
    Systemd,
    /// The user's crontab; catches up when the machine starts
    Cron,
    /// An agent of macOS; catches up after sleep
    Launchd,
}

#[derive(Args)]
pub(super) struct Restore {
    /// The conversation's id, or the beginning of it (4 characters or more)
    pub(super) id: String,
    /// Keep it until then, and not for 30 days
    #[arg(long, value_name = "DATE")]
    pub(super) until: Option<String>,
}

#[derive(Args)]
pub(super) struct DestroyVault {
    /// The vault's file name, typed out: without it, it is asked for
    #[arg(long, value_name = "NAME")]
    pub(super) yes_destroy: Option<OsString>,
}

#[derive(Args)]
pub(super) struct Receipt {
    #[command(subcommand)]
    pub(super) command: ReceiptCommand,
}

#[derive(Subcommand)]
pub(super) enum ReceiptCommand {
    /// List the receipts in the vault
    List,
    /// Print a receipt, byte for byte
    Show {
        /// Its number
        #[arg(value_name = "NUMBER")]
        sequence: u64,
    },
    /// Check a receipt, anywhere and without a password
    Verify(ReceiptVerify),
}

#[derive(Args)]
pub(super) struct ReceiptVerify {
    /// The receipt
    #[arg(value_name = "FILE")]
    pub(super) file: PathBuf,
    /// The owner key it must be of, in hexadecimal, as it is known from elsewhere
    #[arg(long, value_name = "KEY")]
    pub(super) owner: Option<String>,
    /// Look for remnants in this file, device or folder; may be repeated
    #[arg(long, value_name = "PATH")]
    pub(super) scan: Vec<PathBuf>,
    /// Try to open the erased conversations from this older copy of the vault; may be repeated
    #[arg(long, value_name = "PATH")]
    pub(super) old_copy: Vec<PathBuf>,
}

#[derive(Args)]
pub(super) struct Audit {
    #[command(subcommand)]
    pub(super) command: AuditCommand,
}

#[derive(Subcommand)]
pub(super) enum AuditCommand {
    /// Show what was done, the last entries last
    Log {
        /// At most so many of the last ones
        #[arg(long, value_name = "N")]
        limit: Option<usize>,
    },
    /// Check every signature and the tree over the entries
    Verify {
        /// Compare with a checkpoint that was kept elsewhere; may be repeated
        #[arg(long, value_name = "FILE")]
        checkpoint: Vec<PathBuf>,
    },
    /// Print a signed note of the log's size and root, to keep elsewhere
    Checkpoint,
}

#[derive(Args)]
pub(super) struct Export {
    /// Which conversations: source:chatgpt tag:work after:2026-01 … (docs/search.md), or the beginning of an id
    #[arg(required = true, value_name = "SELECTOR")]
    pub(super) selector: Vec<String>,
    /// What to write
    #[arg(long, value_enum)]
    pub(super) format: ExportFormat,
    /// Encrypt to this age recipient; may be repeated
    #[arg(long, value_name = "RECIPIENT", group = "protection")]
    pub(super) to: Vec<String>,
    /// Encrypt under a passphrase, which is asked for; a page then opens itself in a browser
    #[arg(long, group = "protection")]
    pub(super) passphrase: bool,
    /// The same with the passphrase in a file that only you can read
    #[arg(long, value_name = "FILE", group = "protection")]
    pub(super) passphrase_file: Option<PathBuf>,
    /// Agree that what is written is not encrypted
    #[arg(long, group = "protection")]
    pub(super) plaintext: bool,
    /// Write to this file instead of stdout
    #[arg(long, short, value_name = "FILE")]
    pub(super) output: Option<PathBuf>,
    /// Replace the file when it is there
    #[arg(long)]
    pub(super) force: bool,
    /// Hidden messages and abandoned branches too; JSONL has them always
    #[arg(long)]
    pub(super) all: bool,
    /// Only these messages of one conversation, as 3-7,12 (show --numbers has the numbers)
    #[arg(long, value_name = "NUMBERS", conflicts_with = "all")]
    pub(super) messages: Option<String>,
    /// Show what would go out, and write nothing
    #[arg(long)]
    pub(super) dry_run: bool,
    /// Of originals: an earlier state that was kept because a later export lacked messages; 1 is the one before
    #[arg(long, value_name = "N", default_value_t = 0)]
    pub(super) earlier: usize,
}

#[derive(Args)]
pub(super) struct Copies {
    #[command(subcommand)]
    pub(super) command: CopiesCommand,
}

#[derive(Subcommand)]
pub(super) enum CopiesCommand {
    /// List exports, and the copies that were added
    List {
        /// Those too that are said to be gone
        #[arg(long)]
        all: bool,
    },
    /// Add a copy that there is: a backup, a disk, a person; later receipts say that it was known
    Add {
        /// What it is, in your words
        #[arg(value_name = "NAME")]
        name: String,
        /// Which conversations it holds; everything in the vault without
        #[arg(value_name = "SELECTOR")]
        selector: Vec<String>,
    },
    /// Say that a copy is no more
    Gone {
        /// Its id, or the beginning of it
        #[arg(value_name = "ID")]
        id: String,
    },
}

#[derive(Args)]
pub(super) struct Excerpt {
    /// The signed export, of the format jsonl
    #[arg(value_name = "FILE")]
    pub(super) file: PathBuf,
    /// Which of its conversations, from 1
    #[arg(long, value_name = "N", default_value_t = 1)]
    pub(super) conversation: usize,
    /// Only these messages, as 3-7,12
    #[arg(long, value_name = "NUMBERS")]
    pub(super) messages: Option<String>,
    /// Write to this file
    #[arg(long, short, value_name = "FILE")]
    pub(super) output: PathBuf,
    /// Encrypt to this age recipient; may be repeated
    #[arg(long, value_name = "RECIPIENT", conflicts_with = "plaintext")]
    pub(super) to: Vec<String>,
    /// Agree that what is written is not encrypted
    #[arg(long)]
    pub(super) plaintext: bool,
    /// Replace the file when it is there
    #[arg(long)]
    pub(super) force: bool,
    #[command(flatten)]
    pub(super) unsealing: Unsealing,
}

#[derive(Args)]
pub(super) struct Verify {
    /// The export
    #[arg(value_name = "FILE")]
    pub(super) file: PathBuf,
    /// The owner key it must be of, in hexadecimal, as it is known from elsewhere
    #[arg(long, value_name = "KEY")]
    pub(super) owner: Option<String>,
    #[command(flatten)]
    pub(super) unsealing: Unsealing,
}

#[derive(Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(super) enum ExportFormat {
    /// A page for a browser, which loads nothing and runs nothing but its own script
    Html,
    /// Markdown
    Md,
    /// The source's own bytes, exactly as they came
    Original,
    /// Everything the vault knows of it, files included, in lines that convault import reads back
    Jsonl,
}

#[derive(Args)]
pub(super) struct Backup {
    /// Where to: a file that does not exist, or a folder, in which the copy is named by vault and time
    #[arg(value_name = "PATH")]
    pub(super) to: PathBuf,
}

#[derive(Args)]
pub(super) struct Recover {
    /// The older copy, which is only read; the vault is made at --vault, where nothing may be
    #[arg(value_name = "COPY")]
    pub(super) copy: PathBuf,
}

#[derive(Args)]
pub(super) struct Anchor {
    #[command(subcommand)]
    pub(super) command: AnchorCommand,
}

#[derive(Subcommand)]
pub(super) enum AnchorCommand {
    /// Show where the anchor is and what that is worth
    Show,
    /// Keep the anchor in one more file, or drop one
    Replicate {
        /// The file: file:PATH
        #[arg(value_name = "PLACE")]
        place: OsString,
        /// Drop this replica; one out of reach is not counted on any more, and what it opens is class E1
        #[arg(long)]
        forget: bool,
    },
    /// Move the anchor: into a file, out of one, or to another
    Move {
        /// Where to: embedded, or file:PATH
        #[arg(value_name = "PLACE")]
        place: OsString,
        /// Do not ask
        #[arg(long)]
        yes: bool,
    },
}

#[derive(Args)]
pub(super) struct Credential {
    #[command(subcommand)]
    pub(super) command: CredentialCommand,
}

#[derive(Subcommand)]
pub(super) enum CredentialCommand {
    /// List credentials
    List {
        /// Ask for a recovery code and say whether it opens this vault
        #[arg(long)]
        check_recovery: bool,
    },
    /// Give out a credential of a role
    Add {
        /// What it may do (docs/cli.md)
        #[arg(value_enum)]
        role: GrantedRole,
        /// Write a key file here, in the place of a password; nothing may be there
        #[arg(long, value_name = "FILE")]
        key_file: Option<PathBuf>,
        /// Read the new credential's password from a file that only you can read
        #[arg(long, value_name = "FILE")]
        new_password_file: Option<PathBuf>,
        /// What opening by its password costs
        #[arg(long, value_enum, default_value_t = UnlockCost::Calibrated)]
        unlock_cost: UnlockCost,
    },
    /// Take a credential back; draws new keys and touches no content
    Revoke {
        /// The credential's id, or the beginning of it
        #[arg(value_name = "ID")]
        id: String,
    },
    /// Change your password; an owner's draws new keys and touches no content
    Passwd {
        /// Read the new password from a file that only you can read
        #[arg(long, value_name = "FILE")]
        new_password_file: Option<PathBuf>,
        /// What opening costs from now on
        #[arg(long, value_enum, default_value_t = UnlockCost::Calibrated)]
        unlock_cost: UnlockCost,
    },
}

/// A role that can be given out.
#[derive(Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(super) enum GrantedRole {
    /// Everything
    Owner,
    /// Reads
    Reader,
    /// Adds, and reads nothing
    Depositor,
    /// Purges what is due, and reads nothing
    Janitor,
    /// Reads and checks the log, and nothing else
    Auditor,
}

#[derive(Args)]
pub(super) struct Completions {
    /// The shell
    #[arg(value_enum)]
    pub(super) shell: clap_complete::Shell,
}

#[derive(Args)]
pub(super) struct Man {
    /// A command
    pub(super) command: Option<String>,
}
