//! The texts for paths that nobody should have.

use std::process::Command;

use super::{Daily, Job, ScheduleError, cron, launchd, systemd};

/// Everything that one of the three takes for something else.
const HOSTILE: &str = "/a b/it's \"%h %% $HOME ${x} \\% \\\\ `id` é 予算;&|<>#~*\u{202e}--/vault.db\\";

fn job() -> Job {
    Job {
        name: "0123abcd".to_owned(),
        program: "/usr/bin/convault".to_owned(),
        vault: "/home/me/vault.db".to_owned(),
        anchor_file: None,
        credential: "/home/me/janitor".to_owned(),
        state_home: None,
        at: Daily { hour: 4, minute: 5 },
        on_failure: None,
    }
}

fn hostile() -> Job {
    let of = |name: &str| format!("{HOSTILE}/{name}");
    Job {
        vault: of("vault"),
        anchor_file: Some(of("anchor")),
        credential: of("key"),
        state_home: Some(of("state")),
        on_failure: Some("printf '%s\\n' \"$HOME\" -- 'it'\"'\"'s' & date +%F".to_owned()),
        ..job()
    }
}

#[test]
fn the_units_of_a_plain_job_are_these() {
    let units = systemd::units(&job()).unwrap();
    let names: Vec<&str> = units.iter().map(|unit| unit.name.as_str()).collect();
    assert_eq!(names, ["convault-purge-0123abcd.service", "convault-purge-0123abcd.timer"]);
    let service = "[Service]\nType=oneshot\nExecStart=\"/usr/bin/convault\" \"--vault\" \"/home/me/vault.db\" \
                   \"--no-input\" \"--credential\" \"/home/me/janitor\" \"purge\" \"--yes\"\nUMask=0077\nNoNewPrivileges=yes\n";
    assert!(units[0].text.contains(service), "{}", units[0].text);
    assert!(!units[0].text.contains("OnFailure") && !units[0].text.contains("Environment"));
    let timer = "[Timer]\nOnCalendar=*-*-* 04:05:00\nPersistent=true\nRandomizedDelaySec=5min\n\n[Install]\nWantedBy=timers.target\n";
    assert!(units[1].text.ends_with(timer), "{}", units[1].text);
    let failing = systemd::units(&Job { on_failure: Some("mail me".to_owned()), ..job() }).unwrap();
    assert!(failing[0].text.contains("\nOnFailure=convault-purge-0123abcd-failed.service\n"));
    assert_eq!(failing[2].name, "convault-purge-0123abcd-failed.service");
    assert!(failing[2].text.ends_with("ExecStart=/bin/sh -c \"mail me\"\n"));
    assert!(failing.iter().map(|unit| &unit.name).eq(&systemd::names("0123abcd")));
}

/// The words of a command line as systemd reads them: quotes, escapes, specifiers, variables.
fn words_of_systemd(line: &str) -> Vec<String> {
    let (mut words, mut rest) = (Vec::new(), line.chars().peekable());
    while rest.next_if_eq(&'"').is_some() {
        let mut word = String::new();
        while let Some(c) = rest.next() {
            match c {
                '"' => break,
                '\\' | '%' => {
                    let doubled = rest.next().expect("something is escaped");
                    assert!(doubled == c || (c == '\\' && doubled == '"'), "{c}{doubled} in {line}");
                    word.push(doubled);
                }
                // Of the program's path nothing is taken for a variable.
                '$' if !words.is_empty() => {
                    assert_eq!(rest.next(), Some('$'), "{line}");
                    word.push('$');
                }
                c => word.push(c),
            }
        }
        words.push(word);
        assert!(matches!(rest.next(), Some(' ') | None), "{line}");
    }
    assert_eq!(rest.next(), None, "{line}");
    words
}

#[test]
fn systemd_reads_every_word_back_as_it_is() {
    let job = Job { program: "/opt/a b $HOME%h/convault".to_owned(), ..hostile() };
    let units = systemd::units(&job).unwrap();
    let line = |unit: usize, key: &str| units[unit].text.lines().find_map(|line| line.strip_prefix(key)).unwrap();
    assert_eq!(words_of_systemd(line(0, "ExecStart=")), job.command());
    assert_eq!(
        words_of_systemd(line(0, "Environment=")),
        [format!("XDG_STATE_HOME={}", job.state_home.as_ref().unwrap())]
    );
    let failed = format!("\"/bin/sh\" {}", line(2, "ExecStart=/bin/sh -c "));
    assert_eq!(words_of_systemd(&failed)[1], *job.on_failure.as_ref().unwrap());
    assert!(!units[0].text.lines().any(|line| line.ends_with('\\')), "a line would go on in the next one");
}

#[test]
fn systemd_is_given_no_program_that_it_would_refuse() {
    for program in ["/opt/it's/convault", "/opt/\"x\"/convault", "/opt/a\\b/convault"] {
        let refused = systemd::units(&Job { program: program.to_owned(), ..job() });
        assert_eq!(refused, Err(ScheduleError::Program(program.to_owned())));
    }
}

#[test]
fn the_block_of_a_plain_job_is_this() {
    let block = cron::block(&job()).unwrap();
    let lines: Vec<&str> = block.lines().collect();
    let command = "'/usr/bin/convault' '--vault' '/home/me/vault.db' '--no-input' '--credential' '/home/me/janitor' 'purge' '--yes' >/dev/null";
    assert_eq!(lines[0], "# convault purge 0123abcd begin");
    assert!(lines[1].starts_with("# "));
    assert_eq!(
        lines[2..],
        [&*format!("5 4 * * * {command}"), &format!("@reboot {command}"), "# convault purge 0123abcd end"]
    );
}

/// A command as a cron hands it to its shell; `strips` when it takes the backslash of a percent sign away.
fn through_cron(line: &str, strips: bool) -> String {
    let (mut out, mut is_escaped) = (String::new(), false);
    for c in line.chars() {
        assert!(c != '%' || is_escaped, "the command ends here: {line}");
        if c == '%' && strips {
            out.pop();
        }
        out.push(c);
        is_escaped = c == '\\' && !is_escaped;
    }
    out
}

#[test]
fn a_shell_behind_any_cron_reads_every_word_back_as_it_is() {
    let job = Job { program: "/bin/echo".to_owned(), on_failure: None, ..hostile() };
    let block = cron::block(&job).unwrap();
    let line = block.lines().find_map(|line| line.strip_prefix("@reboot ")).unwrap();
    for strips in [true, false] {
        // The words in place of the program, each on a line.
        let line =
            through_cron(line, strips).replace("'/bin/echo'", "printf '%s\\n' /bin/echo").replace(">/dev/null", "");
        let ran = Command::new("/bin/sh").arg("-c").arg(line).output().unwrap();
        assert_eq!(String::from_utf8(ran.stdout).unwrap(), job.command().join("\n") + "\n");
        assert_eq!(String::from_utf8(ran.stderr).unwrap(), "");
    }
}

#[test]
fn the_command_on_failure_runs_whole_and_only_then() {
    for (program, expected) in [("/bin/false", "one %\ntwo\n"), ("/bin/true", "")] {
        let command = "echo one %; echo two";
        let job = Job { program: program.to_owned(), on_failure: Some(command.to_owned()), ..job() };
        let block = cron::block(&job).unwrap();
        let line = through_cron(block.lines().find_map(|line| line.strip_prefix("@reboot ")).unwrap(), true);
        let ran = Command::new("/bin/sh").arg("-c").arg(line).output().unwrap();
        assert_eq!(String::from_utf8(ran.stdout).unwrap(), expected);
    }
}

#[test]
fn other_lines_of_a_crontab_keep_every_byte() {
    let block = cron::block(&hostile()).unwrap();
    for (before, after) in [
        (&b""[..], &b""[..]),
        (b"# mine\n0 1 * * * a\n", b"@daily \xff\r\n\n"),
        (b"\n\n", b"no newline at the end"),
        (b"# convault purge ffffffff begin\nx\n# convault purge ffffffff end\n", b" # convault purge 0123abcd begin\n"),
    ] {
        let crontab = [before, block.as_bytes(), after].concat();
        let cut = cron::cut(&crontab, "0123abcd").unwrap();
        assert_eq!((cut.rest.clone(), cut.block.as_deref()), ([before, after].concat(), Some(block.as_str())));
        let again = cron::with(cut.rest.clone(), &block);
        assert!(again.starts_with(&cut.rest) && again.ends_with(block.as_bytes()));
        assert_eq!(cron::cut(&again, "0123abcd").unwrap().block.as_deref(), Some(block.as_str()));
        assert_eq!(cron::cut(&cut.rest, "0123abcd").unwrap().block, None);
    }
}

#[test]
fn marks_that_do_not_pair_are_refused() {
    let (begin, end) = ("# convault purge 0123abcd begin\n", "# convault purge 0123abcd end\n");
    for text in [begin, end, &[end, begin].concat(), &[begin, begin, end].concat(), &[begin, end, end].concat()] {
        assert!(matches!(cron::cut(text.as_bytes(), "0123abcd"), Err(ScheduleError::Unpaired(_))), "{text}");
    }
    // Two whole blocks are both ours.
    let twice = [begin, end, "x\n", begin, end].concat();
    assert_eq!(cron::cut(twice.as_bytes(), "0123abcd").unwrap().rest, b"x\n");
}

/// The texts of elements with this name, as XML means them.
fn elements(plist: &str, name: &str) -> Vec<String> {
    let (begin, end) = (format!("<{name}>"), format!("</{name}>"));
    let inner = plist.split(&begin).skip(1).map(|piece| piece.split(&end).next().unwrap());
    inner.map(|text| text.replace("&lt;", "<").replace("&gt;", ">").replace("&amp;", "&")).collect()
}

#[test]
fn launchd_reads_every_word_back_as_it_is() {
    let plain = launchd::plist(&job()).unwrap();
    let strings = elements(&plain, "string");
    assert_eq!(strings[0], "convault-purge-0123abcd");
    assert_eq!(strings[1..=job().command().len()], job().command());
    assert_eq!(elements(&plain, "integer"), ["4", "5"]);
    assert!(plain.contains("\t<key>RunAtLoad</key>\n\t<true/>\n") && !plain.contains("EnvironmentVariables"));

    let job = Job { on_failure: None, ..hostile() };
    let plist = launchd::plist(&job).unwrap();
    assert_eq!(elements(&plist, "string")[1..=job.command().len()], job.command());
    assert!(elements(&plist, "string").contains(job.state_home.as_ref().unwrap()));
    // A comment of XML holds no two hyphens.
    let comment = plist.split("<!-- ").nth(1).unwrap().split("-->").next().unwrap();
    assert!(!comment.contains("--"), "{comment}");
}

#[test]
fn launchd_runs_the_command_on_failure_by_a_shell() {
    let job = Job { program: "/bin/false".to_owned(), on_failure: Some("echo 'a&b' 100%".to_owned()), ..hostile() };
    let plist = launchd::plist(&job).unwrap();
    let words = elements(&plist, "string");
    assert_eq!(words[1..3], ["/bin/sh", "-c"]);
    let ran = Command::new("/bin/sh").arg("-c").arg(&words[3]).output().unwrap();
    assert_eq!(String::from_utf8(ran.stdout).unwrap(), "a&b 100%\n");
}

#[test]
fn every_text_says_which_job_it_is() {
    for job in [job(), hostile()] {
        let texts =
            [systemd::units(&job).unwrap().remove(0).text, cron::block(&job).unwrap(), launchd::plist(&job).unwrap()];
        for text in texts {
            assert_eq!(Job::recorded_in(&text).as_ref(), Some(&job), "{text}");
        }
    }
    assert_eq!(Job::recorded_in("# convault job: {}\n"), None);
    assert_eq!(Job::recorded_in("[Unit]\n"), None);
}

#[test]
fn what_would_end_a_line_is_refused_everywhere() {
    let bad = "/a\nb".to_owned();
    let cases = [
        (Job { program: bad.clone(), ..job() }, "the path of the program"),
        (Job { vault: bad.clone(), ..job() }, "the path of the vault"),
        (Job { anchor_file: Some("/\u{7f}".to_owned()), ..job() }, "the path of the anchor"),
        (Job { credential: "/\r".to_owned(), ..job() }, "the path of the key file"),
        (Job { state_home: Some("/\0".to_owned()), ..job() }, "XDG_STATE_HOME"),
        (Job { on_failure: Some("a\nb".to_owned()), ..job() }, "the command on failure"),
    ];
    for (job, what) in cases {
        let refused = ScheduleError::ControlCharacter(what);
        assert_eq!(systemd::units(&job).as_ref(), Err(&refused));
        assert_eq!(cron::block(&job).as_ref(), Err(&refused));
        assert_eq!(launchd::plist(&job).as_ref(), Err(&refused));
    }
}

#[test]
fn a_time_of_day_is_two_times_two_digits() {
    assert_eq!(Daily::parse("00:00"), Ok(Daily { hour: 0, minute: 0 }));
    assert_eq!(Daily::parse("23:59").unwrap().to_string(), "23:59");
    for typed in ["24:00", "12:60", "3:30", "03:3", "0330", "03:30:00", "+3:30", "", ":", "ab:cd", "03:30 "] {
        assert_eq!(Daily::parse(typed), Err(ScheduleError::NotATime(typed.to_owned())));
    }
}
