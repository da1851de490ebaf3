//! Folders whose content is copied: synced, kept in snapshots, or in a repository; told by what such programs leave there.

use std::collections::BTreeSet;
use std::ffi::OsStr;
use std::os::unix::fs::MetadataExt;
use std::path::Path;

use super::place::Weakness;

/// Entries of one folder that are looked through for names with a changing part.
const MOST: usize = 100_000;

/// What the folders above `path` say, by its name as it is given and by where links lead.
pub(super) fn weaknesses(path: &Path) -> Vec<Weakness> {
    let given = std::path::absolute(path).unwrap_or_else(|_| path.to_owned());
    let led = given.parent().and_then(|folder| folder.canonicalize().ok());
    // Nearest first: it names the folder that a person knows.
    let mut above: Vec<&Path> = given.ancestors().skip(1).collect();
    above.extend(led.iter().flat_map(|folder| folder.ancestors()));
    let device = |folder: &Path| folder.metadata().ok().map(|about| about.dev());
    let own = led.as_deref().and_then(device);
    let mut looked = BTreeSet::new();
    let mut found = Vec::new();
    for folder in above {
        // Two names of one folder are looked at once, by either.
        let by_name = folder.file_name().and_then(OsStr::to_str).and_then(named);
        let is_new = looked.insert(folder.canonicalize().unwrap_or_else(|_| folder.to_owned()));
        let left =
            by_name.or_else(|| is_new.then(|| left_in(folder, own.is_some() && device(folder) == own)).flatten());
        if let Some(says) = left {
            let says = format!("{} {says}", folder.display());
            found.push(Weakness::new("folder", says));
        }
    }
    let mut told = BTreeSet::new();
    found.retain(|one| told.insert(one.says.clone()));
    found
}

/// Folders that are known by their names: those that sync programs make by default, and those of snapshots.
fn named(name: &str) -> Option<String> {
    let synced = matches!(
        name,
        "Dropbox"
            | "OneDrive"
            | "Google Drive"
            | "GoogleDrive"
            | "iCloud Drive"
            | "Mobile Documents"
            | "CloudStorage"
            | "Nextcloud"
            | "ownCloud"
            | "Seafile"
            | "Syncthing"
            | "Resilio Sync"
            | "MEGA"
            | "MEGAsync"
            | "pCloudDrive"
            | "pCloud Drive"
            | "Proton Drive"
            | "kDrive"
    );
    // Accounts of a company have their name behind these.
    if synced || name.starts_with("OneDrive - ") || name.starts_with("Dropbox (") {
        return Some("looks like a sync folder, by its name".to_owned());
    }
    // NetApp and snapper; ZFS; Samba's shadow copies.
    if matches!(name, ".snapshot" | ".snapshots" | ".zfs") || name.starts_with("@GMT-") {
        return Some("is a folder of snapshots".to_owned());
    }
    None
}

/// What a program left in a folder that it copies.
fn left_in(folder: &Path, is_own_device: bool) -> Option<String> {
    let kind = |name: &str| folder.join(name).symlink_metadata().ok().map(|about| about.file_type());
    let is_there = |name: &&str| kind(name).is_some();
    let is_folder = |name: &&str| kind(name).is_some_and(|kind| kind.is_dir());
    let has = |names: &[&'static str]| names.iter().copied().find(|name| is_there(name));
    let synced = |mark: &str, program: &str| Some(format!("is synced: {program} has left {mark} there"));
    if let Some(mark) = has(&[".stfolder", ".stversions"]) {
        return synced(mark, "Syncthing");
    }
    // The folder ~/.dropbox is the program's own and says nothing of the home it is in; the file is a mark.
    if is_folder(&".dropbox.cache") {
        return synced(".dropbox.cache", "Dropbox");
    }
    if kind(".dropbox").is_some_and(|kind| kind.is_file()) {
        return synced(".dropbox", "Dropbox");
    }
    if let Some(mark) = has(&[".nextcloudsync.log", ".owncloudsync.log", ".csync_journal.db"]) {
        return synced(mark, "Nextcloud or ownCloud");
    }
    if is_folder(&".sync") && has(&[".sync/ID", ".sync/IgnoreList", ".sync/Archive"]).is_some() {
        return synced(".sync", "Resilio Sync");
    }
    if let Some(mark) = has(&[".SyncID"]) {
        return synced(mark, "BitTorrent Sync");
    }
    if let Some(mark) = has(&[".seafile-data"]) {
        return synced(mark, "Seafile");
    }
    if let Some(mark) = has(&[".tmp.driveupload", ".tmp.drivedownload", ".shortcut-targets-by-id"]) {
        return synced(mark, "Google Drive");
    }
    if let Some(mark) = has(&[".megaignore"]) {
        return synced(mark, "MEGA");
    }
    if let Some(mark) = sync_journal(folder) {
        return synced(&mark, "Nextcloud or ownCloud");
    }
    if let Some(mark) = has(&[".git", ".hg", ".jj"]) {
        return Some(format!("is a repository ({mark}): a commit of the anchor is a copy of it"));
    }
    // Those of another device, such as a snapshotted root above a home of its own, hold nothing of this one.
    match has(&[".snapshots", ".snapshot", ".zfs"]) {
        Some(mark) if is_own_device => Some(format!("has a folder of snapshots, {mark}")),
        _ => None,
    }
}

/// The database that the clients of Nextcloud and ownCloud keep in a folder: `.sync_0123456789ab.db`, formerly `._sync_…`.
fn sync_journal(folder: &Path) -> Option<String> {
    let is_journal = |name: &str| {
        let stem =
            name.strip_suffix(".db").and_then(|name| name.strip_prefix(".sync_").or(name.strip_prefix("._sync_")));
        stem.is_some_and(|stem| !stem.is_empty() && stem.bytes().all(|byte| byte.is_ascii_hexdigit()))
    };
    let entries = folder.read_dir().ok()?.take(MOST).flatten();
    entries.filter_map(|entry| entry.file_name().into_string().ok()).find(|name| is_journal(name))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn told(root: &Path, anchor: &str) -> Vec<String> {
        let prefix = root.to_str().unwrap();
        weaknesses(&root.join(anchor)).into_iter().map(|one| one.says.replace(prefix, "ROOT")).collect()
    }

    #[test]
    fn what_programs_leave_in_their_folders_is_known() {
        // A name ending in a slash is a folder.
        let cases = [
            (".stfolder/", "is synced: Syncthing has left .stfolder there"),
            (".stfolder", "is synced: Syncthing has left .stfolder there"),
            (".dropbox.cache/", "is synced: Dropbox has left .dropbox.cache there"),
            (".dropbox", "is synced: Dropbox has left .dropbox there"),
            (".nextcloudsync.log", "is synced: Nextcloud or ownCloud has left .nextcloudsync.log there"),
            (".owncloudsync.log", "is synced: Nextcloud or ownCloud has left .owncloudsync.log there"),
            (".sync_0a1b2c3d4e5f.db", "is synced: Nextcloud or ownCloud has left .sync_0a1b2c3d4e5f.db there"),
            ("._sync_0a1b2c3d4e5f.db", "is synced: Nextcloud or ownCloud has left ._sync_0a1b2c3d4e5f.db there"),
            (".csync_journal.db", "is synced: Nextcloud or ownCloud has left .csync_journal.db there"),
            (".sync/ID", "is synced: Resilio Sync has left .sync there"),
            (".seafile-data/", "is synced: Seafile has left .seafile-data there"),
            (".tmp.driveupload/", "is synced: Google Drive has left .tmp.driveupload there"),
            (".megaignore", "is synced: MEGA has left .megaignore there"),
            (".git/", "is a repository (.git): a commit of the anchor is a copy of it"),
            (".git", "is a repository (.git): a commit of the anchor is a copy of it"),
            (".snapshots/", "has a folder of snapshots, .snapshots"),
            // Not marks: the program's own folder, other files of such names.
            (".dropbox/", ""),
            (".sync/other", ""),
            (".sync_.db", ""),
            (".sync_notes.db", ""),
            (".gitignore", ""),
        ];
        for (mark, says) in cases {
            let root = tempfile::tempdir().unwrap();
            let deep = root.path().join("marked/a/b");
            std::fs::create_dir_all(&deep).unwrap();
            let path = root.path().join("marked").join(mark);
            match mark.ends_with('/') {
                true => std::fs::create_dir_all(path).unwrap(),
                false => {
                    std::fs::create_dir_all(path.parent().unwrap()).unwrap();
                    std::fs::write(path, b"").unwrap();
                }
            }
            let expected: Vec<String> =
                Some(says).filter(|it| !it.is_empty()).map(|it| format!("ROOT/marked {it}")).into_iter().collect();
            for anchor in ["marked/anchor", "marked/a/b/anchor"] {
                assert_eq!(told(root.path(), anchor), expected, "{mark} and {anchor}");
            }
            assert_eq!(told(root.path(), "anchor"), [] as [String; 0], "{mark} beside it");
        }
    }

    #[test]
    fn folders_are_known_by_name_and_through_links() {
        let root = tempfile::tempdir().unwrap();
        let names = ["Dropbox", "OneDrive - Lighthouse", "Mobile Documents", ".snapshots", "@GMT-2025.01.02-03.04.05"];
        for name in names {
            std::fs::create_dir(root.path().join(name)).unwrap();
            // A folder of snapshots marks also the one it is in.
            let first = &told(root.path(), &format!("{name}/anchor"))[0];
            let expected = match name.starts_with(['.', '@']) {
                true => format!("ROOT/{name} is a folder of snapshots"),
                false => format!("ROOT/{name} looks like a sync folder, by its name"),
            };
            assert_eq!(*first, expected);
            let _ = std::fs::remove_dir(root.path().join(name));
        }
        for name in ["dropbox", "Dropboxes", "MEGAphone", "Sync"] {
            assert_eq!(told(root.path(), &format!("{name}/anchor")), [] as [String; 0], "{name}");
        }
        // By where a link leads, and by where it lies: a client may follow it.
        std::fs::create_dir_all(root.path().join("Nextcloud/keys")).unwrap();
        std::fs::create_dir_all(root.path().join("local")).unwrap();
        std::os::unix::fs::symlink("Nextcloud/keys", root.path().join("keys")).unwrap();
        std::os::unix::fs::symlink("../local", root.path().join("Nextcloud/local")).unwrap();
        let expected = ["ROOT/Nextcloud looks like a sync folder, by its name"];
        assert_eq!(told(root.path(), "keys/anchor"), expected);
        assert_eq!(told(root.path(), "Nextcloud/local/anchor"), expected);
        assert_eq!(told(root.path(), "local/anchor"), [] as [String; 0]);
    }
}
