//! Where an anchor lies: file systems on which overwriting in place does not overwrite.

use std::path::Path;

/// Why an anchor at `path` cannot be relied on to die when it is overwritten; `None` when nothing speaks against it.
///
/// Looks at the type of file system only. Snapshots, sync folders, `data=journal` and the remapping
/// of flash are not seen.
pub fn weakness(path: &Path) -> Option<&'static str> {
    let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
    let Ok(about) = rustix::fs::statfs(folder) else { return Some("the file system cannot be told") };
    // Magic numbers of linux/magic.h and, for ZFS and bcachefs, of those projects.
    match about.f_type {
        0x9123_683e => Some("btrfs writes copies"),
        0x2fc1_2fc1 => Some("ZFS writes copies"),
        0xca45_1a4e => Some("bcachefs writes copies"),
        0xf2f5_2010 => Some("F2FS writes logs"),
        0x794c_7630 => Some("overlayfs may write copies"),
        0x3434 => Some("NILFS2 writes logs"),
        0x2405_1905 | 0x72b6 => Some("a flash file system writes logs"),
        0x0102_1997 | 0x00c3_6400 | 0x786f_4256 | 0x6969 | 0xff53_4d42 | 0xfe53_4d42 => Some("a network file system"),
        0x6573_5546 => Some("a FUSE file system of unknown nature"),
        _ => None,
    }
}

/// The type of the file system that a path is on, in a word.
pub fn file_system(path: &Path) -> String {
    let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
    let Ok(about) = rustix::fs::statfs(folder) else { return "unknown".to_owned() };
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
