//! Rust text as words: comments and strings gone, every word with its line and whether it is test code.

/// A word of the source.
#[derive(Clone, Debug)]
pub struct Token {
    /// The identifier, `::`, a single sign, or `""` for any string or character.
    pub text: String,
    /// Its line, from 1.
    pub line: usize,
    /// Whether it stands under `#[cfg(test)]`.
    pub in_test: bool,
    /// How many inline modules it stands in.
    pub inline: usize,
}

/// Cuts source text into words.
pub fn tokens(text: &str) -> Vec<Token> {
    let mut found = cut(text);
    mark_tests(&mut found);
    mark_inline_modules(&mut found);
    found
}

fn is_word(character: char) -> bool {
    character.is_alphanumeric() || character == '_'
}

fn cut(text: &str) -> Vec<Token> {
    let text: Vec<char> = text.chars().collect();
    let at = |index: usize| text.get(index).copied().unwrap_or('\0');
    let (mut found, mut index, mut line) = (Vec::new(), 0, 1);
    while index < text.len() {
        let start = index;
        let mut word = None;
        match at(index) {
            '/' if at(index + 1) == '/' => {
                while index < text.len() && at(index) != '\n' {
                    index += 1;
                }
            }
            '/' if at(index + 1) == '*' => index = after_block_comment(&text, index),
            '"' => {
                index = after_string(&text, index);
                word = Some("\"\"".to_owned());
            }
            '\'' if at(index + 1) == '\\' || at(index + 2) == '\'' => {
                // A character. After a backslash the next sign is taken whatever it is.
                index += if at(index + 1) == '\\' { 3 } else { 2 };
                while index < text.len() && at(index) != '\'' {
                    index += 1;
                }
                index += 1;
                word = Some("\"\"".to_owned());
            }
            '\'' => {
                // A lifetime or a label.
                index += 1;
                while is_word(at(index)) {
                    index += 1;
                }
            }
            first if is_word(first) => {
                while is_word(at(index)) {
                    index += 1;
                }
                let name: String = text[start..index].iter().collect();
                let raw = matches!(name.as_str(), "r" | "br" | "cr");
                let hashes = (index..).take_while(|at| text.get(*at) == Some(&'#')).count();
                if raw && at(index + hashes) == '"' {
                    index = after_raw_string(&text, index + hashes, hashes);
                    word = Some("\"\"".to_owned());
                } else if matches!(name.as_str(), "b" | "c") && at(index) == '"' {
                    index = after_string(&text, index);
                    word = Some("\"\"".to_owned());
                } else if name == "r" && hashes == 1 {
                    // A raw identifier: the same name without the mark.
                    index += 1;
                } else {
                    word = Some(name);
                }
            }
            ':' if at(index + 1) == ':' => {
                index += 2;
                word = Some("::".to_owned());
            }
            blank if blank.is_whitespace() => index += 1,
            sign => {
                index += 1;
                word = Some(sign.to_string());
            }
        }
        if let Some(text) = word {
            found.push(Token { text, line, in_test: false, inline: 0 });
        }
        line += text[start..index.min(text.len())].iter().filter(|sign| **sign == '\n').count();
    }
    found
}

fn after_block_comment(text: &[char], mut index: usize) -> usize {
    let mut depth = 0;
    while index < text.len() {
        match (text[index], text.get(index + 1)) {
            ('/', Some('*')) => (depth, index) = (depth + 1, index + 2),
            ('*', Some('/')) => (depth, index) = (depth - 1, index + 2),
            _ => index += 1,
        }
        if depth == 0 {
            break;
        }
    }
    index
}

fn after_string(text: &[char], quote: usize) -> usize {
    let mut index = quote + 1;
    while index < text.len() && text[index] != '"' {
        index += if text[index] == '\\' { 2 } else { 1 };
    }
    index + 1
}

fn after_raw_string(text: &[char], quote: usize, hashes: usize) -> usize {
    let mut index = quote + 1;
    while index < text.len() {
        let closing = text[index + 1..].iter().take_while(|sign| **sign == '#').count();
        if text[index] == '"' && closing >= hashes {
            return index + 1 + hashes;
        }
        index += 1;
    }
    index
}

/// Whether the words from `index` on are these.
pub fn reads(tokens: &[Token], index: usize, words: &[&str]) -> bool {
    words.iter().enumerate().all(|(step, word)| tokens.get(index + step).is_some_and(|token| token.text == *word))
}

fn mark_tests(tokens: &mut [Token]) {
    const MARK: [&str; 7] = ["#", "[", "cfg", "(", "test", ")", "]"];
    for start in 0..tokens.len() {
        if !reads(tokens, start, &MARK) {
            continue;
        }
        let (mut index, mut depth, mut braced) = (start + MARK.len(), 0, false);
        while let Some(token) = tokens.get(index) {
            match token.text.as_str() {
                "{" => (depth, braced) = (depth + 1, braced || depth == 0),
                "(" | "[" => depth += 1,
                ")" | "]" | "}" => depth -= 1,
                _ => {}
            }
            let ends = matches!((token.text.as_str(), braced), (";", _) | ("}", true));
            if depth == 0 && ends {
                break;
            }
            index += 1;
        }
        let end = (index + 1).min(tokens.len());
        tokens[start..end].iter_mut().for_each(|token| token.in_test = true);
    }
}

fn mark_inline_modules(tokens: &mut [Token]) {
    let (mut depth, mut opened) = (0_usize, Vec::new());
    for index in 0..tokens.len() {
        match tokens[index].text.as_str() {
            "{" => {
                depth += 1;
                if index >= 2 && tokens[index - 2].text == "mod" {
                    opened.push(depth);
                }
            }
            "}" => {
                if opened.last() == Some(&depth) {
                    opened.pop();
                }
                depth = depth.saturating_sub(1);
            }
            _ => {}
        }
        tokens[index].inline = opened.len();
    }
}
