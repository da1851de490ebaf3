//! Where an anchor lies: what can be told of a place that keeps what is overwritten there.

use std::fs::{File, OpenOptions};
use std::os::unix::fs::{MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

use super::{device, folders, mounts};

/// What speaks against a place: an old anchor may survive there.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Weakness {
    /// What is at fault: `file system`, `device` or `folder`.
    pub subject: &'static str,
    /// How, in words.
    pub says: String,
}

impl Weakness {
    pub(super) fn new(subject: &'static str, says: impl Into<String>) -> Self {
        Self { subject, says: says.into() }
    }
}

impl std::fmt::Display for Weakness {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.says)
    }
}

/// Why an anchor at `path` cannot be relied on to be gone once it is overwritten; empty when nothing that can be told
/// speaks against it.
///
/// `docs/deletion.md` lists what is looked at, and what no program can see.
pub fn weaknesses(path: &Path) -> Vec<Weakness> {
    let folder = folder_of(path);
    let mut found = of_file_system(folder);
    if is_journaled(path) || is_journaled(folder) {
        found.push(Weakness::new("file system", "its data is journaled (chattr +j): the journal keeps old blocks"));
    }
    found.extend(below(Path::new("/sys/dev/block"), folder, NESTED));
    found.extend(folders::weaknesses(path));
    found
}

/// How deep images within images are followed.
const NESTED: usize = 4;

fn folder_of(path: &Path) -> &Path {
    path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."))
}

/// What a file system does by its kind, and by how it is mounted.
fn of_file_system(folder: &Path) -> Vec<Weakness> {
    let weak = |says: &str| vec![Weakness::new("file system", says)];
    let Ok(about) = rustix::fs::statfs(folder) else { return weak("the file system cannot be told") };
    // Magic numbers of linux/magic.h and, for ZFS, bcachefs and exFAT, of those drivers.
    match about.f_type {
        0xef53 => of_ext(folder),
        // XFS, tmpfs, ramfs, JFS, FAT, exFAT and NTFS write over what is there.
        0x5846_5342 | 0x0102_1994 | 0x8584_58f6 | 0x3153_464a | 0x4d44 | 0x2011_bab0 | 0x7366_746e => Vec::new(),
        0x9123_683e => weak("btrfs writes copies"),
        0x2fc1_2fc1 => weak("ZFS writes copies"),
        0xca45_1a4e => weak("bcachefs writes copies"),
        0xf2f5_2010 => weak("F2FS writes logs"),
        0x794c_7630 => weak("overlayfs may write copies"),
        0x3434 => weak("NILFS2 writes logs"),
        0x2405_1905 | 0x72b6 => weak("a flash file system writes logs"),
        0x0102_1997 | 0x00c3_6400 | 0x786f_4256 | 0x6969 | 0xff53_4d42 | 0xfe53_4d42 => weak("a network file system"),
        0x6573_5546 => weak("a FUSE file system of unknown nature"),
        other => weak(&format!("a file system that is not known to overwrite in place (type 0x{other:x})")),
    }
}

/// ext2, ext3 and ext4 overwrite in place, unless their data goes through the journal.
fn of_ext(folder: &Path) -> Vec<Weakness> {
    let Some(number) = number_of(folder) else { return Vec::new() };
    let mounted = std::fs::read_to_string("/proc/self/mountinfo").unwrap_or_default();
    let name = std::fs::read_link(Path::new("/sys/dev/block").join(&number));
    let name = name.ok().and_then(|link| link.file_name().map(PathBuf::from)).unwrap_or_default();
    // This list also has the default of a superblock, which mountinfo leaves out.
    let options = Path::new("/proc/fs/ext4").join(name).join("options");
    let options = std::fs::read_to_string(options).unwrap_or_default();
    match mounts::journals_data(&mounted, &number) || mounts::lists_data_journal(&options) {
        true => vec![Weakness::new(
            "file system",
            "its file system is mounted with data=journal: the journal keeps old blocks",
        )],
        false => Vec::new(),
    }
}

/// What the devices below a folder do, and the file systems that their images lie on.
fn below(sys: &Path, folder: &Path, nested: usize) -> Vec<Weakness> {
    let Some(number) = number_of(folder) else { return Vec::new() };
    let (mut found, images) = device::look(sys, &number);
    for image in images {
        let inside = folder_of(&image);
        let of_image = of_file_system(inside).into_iter();
        found.extend(of_image.map(|one| {
            Weakness::new("device", format!("it is in an image, {}, and there: {}", image.display(), one.says))
        }));
        match nested.checked_sub(1) {
            Some(left) => found.extend(below(sys, inside, left)),
            None => found.push(Weakness::new("device", "it is in an image within images")),
        }
    }
    found
}

/// The number of the device that a folder is on, as the kernel writes it: `8:1`.
fn number_of(folder: &Path) -> Option<String> {
    let number = std::fs::metadata(folder).ok()?.dev();
    Some(format!("{}:{}", rustix::fs::major(number), rustix::fs::minor(number)))
}

/// Whether a file, or what is made in a folder, has the attribute that sends its data through the journal.
#[cfg(target_os = "linux")]
fn is_journaled(path: &Path) -> bool {
    use rustix::fs::{IFlags, OFlags};
    let flags = (OFlags::NOFOLLOW | OFlags::NONBLOCK).bits().cast_signed();
    let opened: std::io::Result<File> = OpenOptions::new().read(true).custom_flags(flags).open(path);
    opened
        .ok()
        .and_then(|file| rustix::fs::ioctl_getflags(&file).ok())
        .is_some_and(|flags| flags.contains(IFlags::JOURNALING))
}

#[cfg(not(target_os = "linux"))]
fn is_journaled(_: &Path) -> bool {
    false
}

/// The type of the file system that a path is on, in a word.
pub fn file_system(path: &Path) -> String {
    let Ok(about) = rustix::fs::statfs(folder_of(path)) else { return "unknown".to_owned() };
    let known = match about.f_type {
        0xef53 => "ext",
        0x5846_5342 => "xfs",
        0x9123_683e => "btrfs",
        0x2fc1_2fc1 => "zfs",
        0x0102_1994 => "tmpfs",
        0x794c_7630 => "overlayfs",
        0xf2f5_2010 => "f2fs",
        other => return format!("type 0x{other:x}"),
    };
    known.to_owned()
}

/// A folder for tests of what a sound place is worth: the usual one, or one in memory where that keeps copies, as the
/// root of a container does.
#[cfg(test)]
pub(crate) fn sound_folder() -> tempfile::TempDir {
    let usual = tempfile::tempdir().unwrap();
    match weaknesses(&usual.path().join("anchor")).is_empty() {
        true => usual,
        false => tempfile::tempdir_in("/dev/shm").unwrap_or(usual),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_place_is_told_with_what_speaks_against_it() {
        let folder = tempfile::tempdir().unwrap();
        let anchor = folder.path().join("anchor");
        let before = weaknesses(&anchor);
        // Whatever this machine's file system does, a folder that is synced is one thing more.
        std::fs::create_dir(folder.path().join(".stfolder")).unwrap();
        let after = weaknesses(&anchor);
        assert_eq!(after.len(), before.len() + 1);
        assert_eq!(after.last().unwrap().subject, "folder");
        let none = weaknesses(&folder.path().join("none/anchor"));
        assert_eq!(none[0], Weakness::new("file system", "the file system cannot be told"));
    }
}
