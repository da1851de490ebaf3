//! What the kernel's lists of mounts say of a device: whether its data goes through the journal.

/// Whether a line of `/proc/self/mountinfo` says that the file system on device `number` (`8:1`) journals its data.
///
/// The options behind the dash are those of the file system itself: wherever it is mounted, and however often, each
/// of its lines has the same. So the device is enough, and the paths need not be read.
pub(super) fn journals_data(mountinfo: &str, number: &str) -> bool {
    mountinfo.lines().any(|line| {
        // 36 35 98:0 /root /mount rw,noatime master:1 - ext3 /dev/root rw,errors=continue   (proc_pid_mountinfo(5))
        let Some((before, behind)) = line.split_once(" - ") else { return false };
        let mut behind = behind.split(' ');
        let kind = behind.next();
        before.split(' ').nth(2) == Some(number)
            && matches!(kind, Some("ext3" | "ext4"))
            && behind.nth(1).is_some_and(|options| options.split(',').any(|option| option == "data=journal"))
    })
}

/// Whether `/proc/fs/ext4/DEVICE/options`, an option a line, has that option.
pub(super) fn lists_data_journal(options: &str) -> bool {
    options.lines().any(|line| line == "data=journal")
}

#[cfg(test)]
mod tests {
    use super::*;

    const MOUNTS: &str = "\
22 27 0:21 / /proc rw,relatime - proc proc rw
27 1 254:0 / / rw,relatime - ext4 /dev/vda rw,discard,resuid=65534
40 27 8:1 / /data rw,relatime shared:3 master:7 - ext4 /dev/sda1 rw,data=journal
41 27 8:1 /b /mnt/with\\040space\\040-\\040dash rw,noatime - ext4 /dev/sda1 rw,data=journal
42 27 8:2 / /home rw,relatime - ext4 /dev/sda2 rw,data=ordered
43 27 8:3 / /old rw - ext3 /dev/sda3 rw,errors=continue,data=journal,commit=5
44 27 8:4 / /odd rw,data=journal - xfs /dev/sda4 rw,data=journal
45 27 18:1 / /other rw - ext4 /dev/x rw,data=journaled
46 27 8:5 / /cut rw - ext4
no line at all
";

    #[test]
    fn a_mount_with_journaled_data_is_known_by_its_device() {
        let cases = [
            ("254:0", false),
            ("8:1", true),
            ("8:2", false),
            ("8:3", true),
            ("8:4", false),
            ("18:1", false),
            ("8:5", false),
            ("8", false),
            ("9:9", false),
        ];
        for (number, expected) in cases {
            assert_eq!(journals_data(MOUNTS, number), expected, "{number}");
        }
    }

    #[test]
    fn a_default_of_the_superblock_stands_in_the_drivers_list() {
        let cases = [
            ("rw\nbsddf\ndata=journal\ncommit=5\n", true),
            ("rw\ndata=ordered\n", false),
            ("rw\nnodata=journal\n", false),
            ("", false),
        ];
        for (options, expected) in cases {
            assert_eq!(lists_data_journal(options), expected, "{options:?}");
        }
    }
}
