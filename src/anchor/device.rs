//! What lies below a file system: devices that copy instead of overwriting, told by the kernel's own tree of devices.
//!
//! Only what that tree states is said. The disk of a virtual machine, a disk array, a cache before a disk and the
//! remapping inside flash look like any disk.

use std::fs;
use std::path::{Path, PathBuf};

use super::place::Weakness;

/// More devices below one file system than anybody stacks.
const MOST: usize = 64;

/// What speaks against the device `number` (`8:1`) and those below it, and the files that any of them are images in.
///
/// `sys` is `/sys/dev/block`, in which every device has a link under its number.
pub(super) fn look(sys: &Path, number: &str) -> (Vec<Weakness>, Vec<PathBuf>) {
    let (mut found, mut images) = (Vec::new(), Vec::new());
    let mut waiting = vec![number.to_owned()];
    let mut seen = Vec::new();
    while let Some(number) = waiting.pop().filter(|_| seen.len() < MOST) {
        if seen.contains(&number) {
            continue;
        }
        // What has no device of its own, such as tmpfs, has no link here.
        let Ok(mut folder) = sys.join(&number).canonicalize() else { continue };
        seen.push(number);
        // A partition lies below its disk.
        if folder.join("partition").exists() {
            folder.pop();
        }
        let name = folder.file_name().unwrap_or_default().to_string_lossy().into_owned();
        let uuid = fs::read_to_string(folder.join("dm/uuid")).unwrap_or_default();
        found.extend(by_name(&name).or_else(|| by_uuid(uuid.trim_end())));
        if let Ok(image) = fs::read_to_string(folder.join("loop/backing_file")) {
            images.push(PathBuf::from(image.trim_end_matches('\n')));
        }
        let Ok(below) = folder.join("slaves").read_dir() else { continue };
        let number = |path: PathBuf| fs::read_to_string(path.join("dev")).ok();
        waiting.extend(below.flatten().filter_map(|one| number(one.path())).map(|number| number.trim().to_owned()));
    }
    (found, images)
}

/// Drivers give their devices names of their own.
fn by_name(name: &str) -> Option<Weakness> {
    let numbered =
        |prefix| name.strip_prefix(prefix).is_some_and(|rest: &str| rest.starts_with(|c: char| c.is_ascii_digit()));
    let says = match () {
        () if numbered("zd") => "a ZFS volume writes copies",
        () if numbered("bcache") => "bcache keeps blocks on two devices",
        () if numbered("nbd") || numbered("rbd") => "a device over the network",
        () => return None,
    };
    Some(Weakness::new("device", says))
}

/// LVM writes the part that a device below a volume plays at the end of its id.
fn by_uuid(uuid: &str) -> Option<Weakness> {
    let id = uuid.strip_prefix("LVM-")?;
    let says = match id.rsplit_once('-')?.1 {
        "real" | "cow" => "the LVM volume has a snapshot or is one: it keeps what is overwritten",
        "tpool" | "pool" | "tdata" => "a thin LVM volume: whether a snapshot keeps what is overwritten cannot be told",
        "vpool" | "vdata" => "a VDO volume writes copies",
        _ => return None,
    };
    Some(Weakness::new("device", says))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Name, number, files with their content, and the names of those below.
    type Device<'a> = (&'a str, &'a str, &'a [(&'a str, &'a str)], &'a [&'a str]);

    /// A tree of devices as in `/sys`.
    fn tree(devices: &[Device<'_>]) -> tempfile::TempDir {
        let root = tempfile::tempdir().unwrap();
        for folder in ["devices", "block"] {
            fs::create_dir(root.path().join(folder)).unwrap();
        }
        for (name, number, files, below) in devices {
            let folder = root.path().join("devices").join(name);
            fs::create_dir_all(folder.join("slaves")).unwrap();
            fs::write(folder.join("dev"), format!("{number}\n")).unwrap();
            for (file, text) in *files {
                fs::create_dir_all(folder.join(file).parent().unwrap()).unwrap();
                fs::write(folder.join(file), text).unwrap();
            }
            for one in *below {
                let link = folder.join("slaves").join(one.replace('/', "!"));
                std::os::unix::fs::symlink(root.path().join("devices").join(one), link).unwrap();
            }
            std::os::unix::fs::symlink(&folder, root.path().join("block").join(number)).unwrap();
        }
        root
    }

    fn told(devices: &[Device<'_>], number: &str) -> (Vec<String>, Vec<PathBuf>) {
        let root = tree(devices);
        let (found, images) = look(&root.path().join("block"), number);
        (found.into_iter().map(|one| one.says).collect(), images)
    }

    #[test]
    fn devices_that_copy_are_told_through_those_that_do_not() {
        let lvm = |layer: &str| format!("LVM-{}{}{layer}\n", "k".repeat(32), "v".repeat(32));
        let (plain, real, pool) = (lvm(""), lvm("-real"), lvm("-tpool"));
        let disk: Device<'_> = ("sda", "8:0", &[], &[]);
        let part: Device<'_> = ("sda/sda1", "8:1", &[("partition", "1\n")], &[]);
        let crypt: &[_] = &[("dm/uuid", "CRYPT-LUKS2-0123-home\n")];
        let nothing: (Vec<String>, Vec<PathBuf>) = (Vec::new(), Vec::new());
        assert_eq!(told(&[disk, part], "8:1"), nothing);
        assert_eq!(told(&[disk], "0:44"), nothing);
        assert_eq!(told(&[disk, part, ("dm-0", "253:0", crypt, &["sda/sda1"])], "253:0"), nothing);
        let on = |uuid: &str, below: &str| {
            let files: &[_] = &[("dm/uuid", uuid)];
            told(
                &[
                    disk,
                    ("dm-1", "253:1", files, &["sda"]),
                    ("dm-0", "253:0", &[("dm/uuid", below)], &["dm-1"]),
                    ("dm-2", "253:2", crypt, &["dm-0"]),
                ],
                "253:2",
            )
            .0
        };
        assert_eq!(on(&plain, &plain), [] as [String; 0]);
        assert_eq!(on(&real, &plain), ["the LVM volume has a snapshot or is one: it keeps what is overwritten"]);
        assert_eq!(
            on(&pool, &plain),
            ["a thin LVM volume: whether a snapshot keeps what is overwritten cannot be told"]
        );
        assert_eq!(told(&[("zd16", "230:16", &[], &[])], "230:16").0, ["a ZFS volume writes copies"]);
        assert_eq!(told(&[("zram0", "253:9", &[], &[])], "253:9"), nothing);
    }

    #[test]
    fn an_image_names_its_file_and_a_ring_ends() {
        let image: &[_] = &[("loop/backing_file", "/srv/a disk.img\n")];
        let part: &[_] = &[("partition", "1\n")];
        let devices = [("loop0", "7:0", image, &[][..]), ("loop0/loop0p1", "259:0", part, &[])];
        assert_eq!(told(&devices, "259:0"), (Vec::new(), vec![PathBuf::from("/srv/a disk.img")]));
        let ring = [("dm-0", "253:0", &[][..], &["dm-1"][..]), ("dm-1", "253:1", &[], &["dm-0"])];
        assert_eq!(told(&ring, "253:0"), (Vec::new(), Vec::new()));
    }
}
