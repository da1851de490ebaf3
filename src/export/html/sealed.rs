//! The page that opens itself: what stands around the sealed chunks of another page.

use std::io::{self, BufRead, Read};

use super::head;
use crate::export::hex;

/// What the page says in the clear of how it was sealed.
#[derive(Clone, Copy, Debug)]
pub struct Parameters {
    /// The salt of PBKDF2.
    pub salt: [u8; 32],
    /// What tells a wrong passphrase.
    pub check: [u8; 32],
    /// The iterations of PBKDF2.
    pub iterations: u32,
}

/// What stands around the chunks. Nothing in it depends on what they hold.
#[derive(Clone, Copy, Debug)]
pub struct Shell;

impl Shell {
    /// What stands behind the last chunk; the file ends with it.
    pub const END: &'static str = "</template></body></html>\n";

    /// What stands before the first chunk.
    pub fn begin(parameters: &Parameters) -> String {
        let mut page = head::begin("Locked page", "locked");
        page.push_str(
            "<main id=\"lock\">\n<h1>This page is locked</h1>\n\
             <p>It holds conversations. The passphrase opens them here, in this browser; nothing is sent anywhere, and nothing is kept.</p>\n\
             <form id=\"opener\" autocomplete=\"off\">\n<label for=\"passphrase\">Passphrase</label>\n\
             <div class=\"field\"><input id=\"passphrase\" type=\"password\" autocomplete=\"off\" autocapitalize=\"none\" \
             spellcheck=\"false\" required>\
             <button id=\"reveal\" type=\"button\" aria-pressed=\"false\" aria-controls=\"passphrase\">Show</button></div>\n\
             <button id=\"open\" type=\"submit\">Open</button>\n</form>\n\
             <p id=\"state\" role=\"status\" aria-live=\"polite\"></p>\n\
             <noscript><p>JavaScript is off. This page needs its own script to open; it loads no other.</p></noscript>\n</main>\n",
        );
        page.push_str(&format!(
            "<template id=\"sealed\" data-iterations=\"{}\" data-salt=\"{}\" data-check=\"{}\">\n",
            parameters.iterations,
            hex(&parameters.salt),
            hex(&parameters.check)
        ));
        page
    }
}

/// Reads how a page was sealed, and what stands before its chunks; none of a page that is not.
pub fn parameters(page: &mut impl BufRead) -> io::Result<Option<(Parameters, Vec<u8>)>> {
    let (mut line, mut before) = (Vec::new(), Vec::new());
    loop {
        line.clear();
        if page.by_ref().take(LONGEST_LINE).read_until(b'\n', &mut line)? == 0 || before.len() as u64 > LONGEST_LINE {
            return Ok(None);
        }
        before.extend_from_slice(&line);
        if line.starts_with(BEFORE.as_bytes()) {
            return Ok(std::str::from_utf8(&line).ok().and_then(read).map(|parameters| (parameters, before)));
        }
    }
}

/// The longest line of the shell: its style or its script.
const LONGEST_LINE: u64 = 1 << 20;

/// How the line begins behind which the chunks stand.
const BEFORE: &str = "<template id=\"sealed\" ";

fn read(line: &str) -> Option<Parameters> {
    let value = |name: &str| {
        let (_, rest) = line.split_once(&format!("{name}=\""))?;
        Some(rest.split_once('"')?.0)
    };
    let bytes = |name: &str| -> Option<[u8; 32]> {
        let digits = value(name)?;
        let byte = |at: usize| u8::from_str_radix(digits.get(2 * at..2 * at + 2)?, 16).ok();
        let bytes: Vec<u8> = (0..32).map(byte).collect::<Option<_>>()?;
        bytes.try_into().ok().filter(|_| digits.len() == 64)
    };
    Some(Parameters {
        salt: bytes("data-salt")?,
        check: bytes("data-check")?,
        iterations: value("data-iterations")?.parse().ok()?,
    })
}
