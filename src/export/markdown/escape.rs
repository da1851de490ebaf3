//! Text as Markdown that means exactly this text, in CommonMark and in what is built on it.

/// Where a text stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Place {
    /// At the beginning of a line, where a mark could begin a block.
    LineStart,
    /// Within a line.
    Line,
    /// In a heading, or in a line behind a mark.
    Heading,
}

/// Writes text of one line.
pub(super) fn escape(text: &str, place: Place, out: &mut String) {
    let text = if place == Place::LineStart { text.trim_start_matches([' ', '\t']) } else { text };
    let mut rest = text.chars();
    let mut before = None;
    let starts = place != Place::Line;
    // `1.` and `1)` begin a list.
    let digits = text.bytes().take_while(u8::is_ascii_digit).count();
    let numbers = starts && digits > 0 && text[digits..].starts_with(['.', ')']);
    let mut at = 0;
    while let Some(c) = rest.next() {
        let after = rest.clone().next();
        let is_first = before.is_none();
        match c {
            // An entity, because the oldest programs know no backslash before it.
            '<' => out.push_str("&lt;"),
            '&' if is_entity(rest.as_str()) => out.push_str("&amp;"),
            '\\' | '`' | '*' | '[' | ']' | '~' | '|' => push_escaped(c, out),
            '_' if !(before.is_some_and(char::is_alphanumeric) && after.is_some_and(char::is_alphanumeric)) => {
                push_escaped(c, out);
            }
            // At the end of a heading they would be cut off; elsewhere only where a word begins, so that C# stays.
            '#' if is_first || before.is_some_and(|c| c.is_whitespace() || c == '#') => push_escaped(c, out),
            // At the end of a heading some programs read attributes there, whatever stands before it.
            '{' if place == Place::Heading => out.push_str("&#123;"),
            // And behind code, even raw HTML.
            '{' if is_first || after.is_some_and(|c| "#.=:".contains(c)) => push_escaped(c, out),
            '-' | '+' | '=' | '>' | ':' if is_first && starts => push_escaped(c, out),
            '.' | ')' if numbers && at == digits && after.is_none_or(char::is_whitespace) => push_escaped(c, out),
            c => out.push(c),
        }
        before = Some(c);
        at += c.len_utf8();
    }
}

/// Whether what stands behind an ampersand makes an entity of it.
pub(super) fn is_entity(rest: &str) -> bool {
    let name = rest.find(|c: char| c != '#' && !c.is_ascii_alphanumeric()).unwrap_or(rest.len());
    name > 0 && rest[name..].starts_with(';')
}

fn push_escaped(c: char, out: &mut String) {
    out.push('\\');
    out.push(c);
}

/// A fence that nothing in the code closes.
pub(super) fn fence(code: &str, least: usize) -> String {
    let (mut longest, mut run) = (0, 0);
    for byte in code.bytes() {
        run = if byte == b'`' { run + 1 } else { 0 };
        longest = longest.max(run);
    }
    "`".repeat(least.max(longest + 1))
}

/// Languages that a fence may name. Programs for notes run what some others name, and `{=html}` is raw HTML to pandoc.
const LANGUAGES: &[&str] = &[
    "asm",
    "awk",
    "bash",
    "bat",
    "c",
    "c#",
    "c++",
    "clojure",
    "cmake",
    "cpp",
    "cs",
    "csharp",
    "css",
    "csv",
    "cuda",
    "cxx",
    "d",
    "dart",
    "diff",
    "dockerfile",
    "elixir",
    "elm",
    "erlang",
    "fish",
    "fortran",
    "fsharp",
    "glsl",
    "go",
    "graphql",
    "groovy",
    "haskell",
    "hcl",
    "html",
    "http",
    "ini",
    "java",
    "javascript",
    "js",
    "json",
    "jsonc",
    "jsonl",
    "jsx",
    "julia",
    "kotlin",
    "kt",
    "latex",
    "less",
    "lisp",
    "log",
    "lua",
    "make",
    "makefile",
    "markdown",
    "matlab",
    "md",
    "nginx",
    "nim",
    "nix",
    "objc",
    "ocaml",
    "pascal",
    "patch",
    "perl",
    "php",
    "plaintext",
    "powershell",
    "prolog",
    "proto",
    "ps1",
    "py",
    "python",
    "r",
    "rb",
    "regex",
    "rs",
    "ruby",
    "rust",
    "sass",
    "scala",
    "scheme",
    "scss",
    "sh",
    "shell",
    "solidity",
    "sql",
    "svelte",
    "swift",
    "tcl",
    "tex",
    "text",
    "toml",
    "ts",
    "tsx",
    "txt",
    "typescript",
    "vb",
    "vim",
    "vue",
    "xml",
    "yaml",
    "yml",
    "zig",
    "zsh",
];

/// The language that stands behind a fence; empty for one that is not known.
pub(super) fn language(info: &str) -> &'static str {
    let word = info.split_whitespace().next().unwrap_or_default();
    LANGUAGES.iter().find(|known| known.eq_ignore_ascii_case(word)).copied().unwrap_or_default()
}
