//! Tests of the shell around a sealed page.

use super::super::head::{SCRIPT, STYLE, policy};
use super::super::sealed::{Parameters, Shell};

#[test]
fn the_shell_has_the_same_script_and_tells_nothing_of_what_it_holds() {
    let page = Shell::begin(&Parameters { salt: [0xab; 32], check: [1; 32], iterations: 1_000_000 });
    assert!(page.starts_with("<!doctype html>\n"));
    assert!(page.contains(&policy()));
    assert!(page.contains(&format!("<style>{STYLE}</style>\n<script>{SCRIPT}</script>")));
    assert!(page.contains("<title>Locked page</title>"));
    let last = page.lines().next_back().unwrap();
    let (salt, check) = ("ab".repeat(32), "01".repeat(32));
    assert_eq!(
        last,
        format!("<template id=\"sealed\" data-iterations=\"1000000\" data-salt=\"{salt}\" data-check=\"{check}\">")
    );
    assert!(page.ends_with(">\n"));
    assert_eq!(Shell::END, "</template></body></html>\n");
}
