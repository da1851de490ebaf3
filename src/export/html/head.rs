//! What every page begins with: what it may load and run, which is nothing but its own script and style.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

use super::escape::line;
use crate::crypto::hash::sha256;

/// The style of every page.
pub(super) const STYLE: &str = include_str!("page.css");

/// The script of every page: the search, and what opens a sealed page.
pub(super) const SCRIPT: &str = include_str!("page.js");

/// What a page may do: the browser runs this script and this style and refuses everything else, whatever got into the page.
pub(super) fn policy() -> String {
    let hash = |text: &str| STANDARD.encode(sha256(&[text.as_bytes()]));
    format!(
        "default-src 'none'; script-src 'sha256-{}'; style-src 'sha256-{}'; img-src data:; base-uri 'none'; form-action 'none'",
        hash(SCRIPT),
        hash(STYLE)
    )
}

/// Everything up to the body's content.
pub(super) fn begin(title: &str, class: &str) -> String {
    // The policy comes before everything it is for.
    format!(
        "<!doctype html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n\
         <meta http-equiv=\"Content-Security-Policy\" content=\"{}\">\n\
         <meta name=\"referrer\" content=\"no-referrer\">\n\
         <meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n\
         <meta name=\"color-scheme\" content=\"light dark\">\n\
         <meta name=\"format-detection\" content=\"telephone=no\">\n\
         <title>{}</title>\n<style>{STYLE}</style>\n<script>{SCRIPT}</script>\n</head>\n<body class=\"{class}\">\n",
        policy(),
        line(title)
    )
}
