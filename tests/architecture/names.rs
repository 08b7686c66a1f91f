//! Which modules and crates a source file names, found by reading its text.
//!
//! Understands what rustfmt leaves in a file: nested comments, every kind of string, groups in `use`,
//! and `#[cfg(test)]` items, which are skipped. It does not expand macros: what a macro's *body*
//! names is seen, what its expansion adds is not.

/// A path as written, made absolute: `crate::scaling::time` or `kube::Api`.
#[derive(Debug, PartialEq, Eq)]
pub struct Named {
    pub line: usize,
    pub path: Vec<String>,
}

/// Every path in `source` that starts at a crate; `module` is where the file is, without `crate`.
pub fn named(source: &str, module: &[&str], crates: &[String]) -> Vec<Named> {
    let tokens = tokens(&without_tests(&blank(source)));
    let mut found = Vec::new();
    let mut i = 0;
    while i < tokens.len() {
        let before = i.checked_sub(1).map(|i| tokens[i].text.as_str());
        let starts_path = tokens[i].is_word()
            && !matches!(before, Some("::" | "."))
            && (tokens.get(i + 1).is_some_and(|next| next.text == "::") || before == Some("use"));
        if starts_path {
            i = path(&tokens, i, &[], &mut found);
        } else {
            i += 1;
        }
    }
    found.into_iter().filter_map(|name| absolute(name, module, crates)).collect()
}

/// Modules that exist in tests only and have a file of their own: `#[cfg(test)] mod fixtures;`.
pub fn test_modules(source: &str) -> Vec<String> {
    let text = blank(source);
    let tokens = tokens(&text);
    let marker = ["#", "[", "cfg", "(", "test", ")", "]"];
    let starts = tokens.windows(marker.len()).enumerate();
    starts
        .filter(|(_, window)| window.iter().zip(marker).all(|(token, text)| token.text == text))
        .filter_map(|(at, _)| {
            let after: Vec<_> = tokens[at + marker.len()..].iter().take(8).map(|token| token.text.as_str()).collect();
            let at = after.iter().position(|word| *word == "mod")?;
            (after.get(at + 2) == Some(&";")).then(|| after[at + 1].to_owned())
        })
        .collect()
}

/// Reads the path at `tokens[start]`, groups included, and returns the index after it.
fn path(tokens: &[Token], start: usize, prefix: &[String], found: &mut Vec<Named>) -> usize {
    let text = |i: usize| tokens.get(i).map_or("", |token| token.text.as_str());
    let mut segments = prefix.to_vec();
    let mut i = start;
    loop {
        if text(i) == "{" {
            i += 1;
            while i < tokens.len() && text(i) != "}" {
                i = if text(i) == "," { i + 1 } else { path(tokens, i, &segments, found) };
            }
            return i + 1;
        }
        // What else may follow `::` is a turbofish: it ends the path.
        if text(i) != "*" && !tokens.get(i).is_some_and(Token::is_word) {
            break;
        }
        if text(i) != "self" || segments.is_empty() {
            segments.push(text(i).to_owned());
        }
        i += 1;
        if text(i) != "::" {
            break;
        }
        i += 1;
    }
    found.push(Named { line: tokens[start].line, path: segments });
    // In a group, the new name in `a as b` is no path.
    if text(i) == "as" && !prefix.is_empty() { i + 2 } else { i.max(start + 1) }
}

fn absolute(name: Named, module: &[&str], crates: &[String]) -> Option<Named> {
    let Named { line, path } = name;
    let up = path.iter().take_while(|word| *word == "super").count();
    let inside = |keep: usize, skip: usize| {
        let base = std::iter::once("crate").chain(module.iter().take(keep).copied()).map(str::to_owned);
        base.chain(path.iter().skip(skip).cloned()).collect()
    };
    let path = match path[0].as_str() {
        // The binary names the library by the package's name.
        "crate" | "awp" => inside(0, 1),
        "self" => inside(module.len(), 1),
        "super" => inside(module.len().saturating_sub(up), up),
        first if crates.iter().any(|name| name == first) => path,
        _ => return None,
    };
    Some(Named { line, path })
}

struct Token {
    line: usize,
    text: String,
}

impl Token {
    fn is_word(&self) -> bool {
        self.text.starts_with(|c: char| c.is_alphabetic() || c == '_')
    }
}

fn tokens(text: &str) -> Vec<Token> {
    let mut tokens = Vec::new();
    for (number, line) in text.lines().enumerate() {
        let mut rest = line.trim_start();
        while let Some(first) = rest.chars().next() {
            let length = match first {
                _ if first.is_alphanumeric() || first == '_' => {
                    rest.find(|c: char| !c.is_alphanumeric() && c != '_').unwrap_or(rest.len())
                }
                ':' if rest.starts_with("::") => 2,
                _ => first.len_utf8(),
            };
            tokens.push(Token { line: number + 1, text: rest[..length].to_owned() });
            rest = rest[length..].trim_start();
        }
    }
    tokens
}

/// The same text with comments, strings and characters replaced by blanks; lines stay where they are.
pub fn blank(source: &str) -> String {
    let chars: Vec<char> = source.chars().collect();
    let mut out = String::with_capacity(source.len());
    let mut i = 0;
    while i < chars.len() {
        let end = literal_end(&chars, i);
        if end == i {
            out.push(chars[i]);
            i += 1;
        } else {
            out.extend(chars[i..end].iter().map(|c| if *c == '\n' { '\n' } else { ' ' }));
            i = end;
        }
    }
    out
}

/// Where the comment, string or character that starts at `i` ends; `i` if none starts there.
fn literal_end(chars: &[char], i: usize) -> usize {
    let at = |k: usize| chars.get(k).copied().unwrap_or('\0');
    let find = |from: usize, wanted: &str| {
        let wanted: Vec<char> = wanted.chars().collect();
        (from..chars.len()).find(|k| chars[*k..].starts_with(&wanted)).map_or(chars.len(), |k| k + wanted.len())
    };
    match (at(i), at(i + 1)) {
        ('/', '/') => find(i, "\n") - 1,
        ('/', '*') => {
            let (mut depth, mut k) = (1, i + 2);
            while depth > 0 && k < chars.len() {
                let (step, change) = match (at(k), at(k + 1)) {
                    ('/', '*') => (2, 1),
                    ('*', '/') => (2, -1),
                    _ => (1, 0),
                };
                k += step;
                depth += change;
            }
            k
        }
        ('r', '"' | '#') if i == 0 || !chars[i - 1].is_alphanumeric() || matches!(chars[i - 1], 'b' | 'c') => {
            let hashes = chars[i + 1..].iter().take_while(|c| **c == '#').count();
            if at(i + 1 + hashes) != '"' {
                return i; // a raw identifier
            }
            find(i + 2 + hashes, &format!("\"{}", "#".repeat(hashes)))
        }
        ('"', _) => {
            let mut k = i + 1;
            while k < chars.len() && at(k) != '"' {
                k += if at(k) == '\\' { 2 } else { 1 };
            }
            k + 1
        }
        // A character has its closing quote near by; a lifetime has none.
        ('\'', '\\') => find(i + 3, "'"),
        ('\'', _) if at(i + 2) == '\'' => i + 3,
        _ => i,
    }
    .min(chars.len())
}

/// Blanks every item under `#[cfg(test)]`.
pub fn without_tests(blanked: &str) -> String {
    const MARKER: &str = "#[cfg(test)]";
    let mut out = String::with_capacity(blanked.len());
    let mut rest = blanked;
    while let Some(start) = rest.find(MARKER) {
        out.push_str(&rest[..start]);
        let item = &rest[start..];
        let end = item_end(&item[MARKER.len()..]) + MARKER.len();
        out.extend(item[..end].chars().filter(|c| *c == '\n'));
        rest = &item[end..];
    }
    out + rest
}

/// An item ends at its first `;` outside brackets or at the brace that closes its first one.
fn item_end(text: &str) -> usize {
    let mut depth = 0;
    for (at, c) in text.char_indices() {
        match c {
            '{' | '(' | '[' => depth += 1,
            '}' | ')' | ']' => {
                depth -= 1;
                if depth == 0 && c == '}' {
                    return at + 1;
                }
            }
            ';' if depth == 0 => return at + 1,
            _ => {}
        }
    }
    text.len()
}
