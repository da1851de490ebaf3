//! The program as a user meets it: the real binary, in a fresh home, word for word.

#[path = "cli/home.rs"]
mod home;

#[path = "cli/exports.rs"]
mod exports;

#[path = "cli/session.rs"]
mod session;

#[path = "cli/making.rs"]
mod making;

#[path = "cli/importing.rs"]
mod importing;

#[path = "cli/bundles.rs"]
mod bundles;

#[path = "cli/jsonl.rs"]
mod jsonl;

#[path = "cli/age.rs"]
mod age;

#[path = "cli/disclosing.rs"]
mod disclosing;

#[path = "cli/folders.rs"]
mod folders;

#[path = "cli/originals.rs"]
mod originals;

#[path = "cli/passwords.rs"]
mod passwords;

#[path = "cli/pieces.rs"]
mod pieces;

#[path = "cli/recovering.rs"]
mod recovering;

#[path = "cli/auditing.rs"]
mod auditing;

#[path = "cli/searching.rs"]
mod searching;

#[path = "cli/retention.rs"]
mod retention;

#[path = "cli/months.rs"]
mod months;

#[path = "cli/scheduling.rs"]
mod scheduling;

#[path = "cli/later.rs"]
mod later;

#[path = "cli/kept.rs"]
mod kept;

#[path = "cli/roles.rs"]
mod roles;

#[path = "cli/replicas.rs"]
mod replicas;

#[path = "cli/places.rs"]
mod places;

#[path = "cli/refusals.rs"]
mod refusals;

#[path = "cli/hostile.rs"]
mod hostile;

#[path = "cli/interrupted.rs"]
mod interrupted;

#[path = "cli/erasing.rs"]
mod erasing;

#[path = "cli/killed.rs"]
mod killed;

#[path = "cli/full.rs"]
mod full;

#[path = "cli/fixtures.rs"]
mod fixtures;

#[path = "cli/documented.rs"]
mod documented;
