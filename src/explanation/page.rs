//! Lines of text with a label column, for a screen of a hundred columns.

const WIDTH: usize = 100;
const LABEL: usize = 10;

/// Text for people, with or without colour.
#[derive(Debug)]
pub struct Page {
    text: String,
    colour: bool,
}

impl Page {
    pub fn new(colour: bool) -> Self {
        Self { text: String::new(), colour }
    }

    /// A line in bold over the whole width.
    pub fn title(&mut self, text: &str) {
        for line in wrapped(text, WIDTH) {
            let line = self.painted("1", &line);
            self.text += &line;
            self.text.push('\n');
        }
    }

    /// Text over the whole width.
    pub fn plain(&mut self, text: &str) {
        for line in wrapped(text, WIDTH) {
            self.text += &line;
            self.text.push('\n');
        }
    }

    /// A label, and text beside it; an empty label continues the one before.
    pub fn row(&mut self, label: &str, text: &str) {
        for (number, line) in wrapped(text, WIDTH - LABEL).iter().enumerate() {
            let label = if number == 0 { label } else { "" };
            let padded = format!("{label:<LABEL$}");
            let label = self.painted("36", &padded);
            self.text += format!("{label}{line}").trim_end();
            self.text.push('\n');
        }
    }

    pub fn warning(&mut self, label: &str, text: &str) {
        for (number, line) in wrapped(text, WIDTH - LABEL).iter().enumerate() {
            let label = if number == 0 { label } else { "" };
            let padded = format!("{label:<LABEL$}");
            let label = self.painted("33", &padded);
            self.text += format!("{label}{line}").trim_end();
            self.text.push('\n');
        }
    }

    pub fn finish(self) -> String {
        self.text
    }

    fn painted(&self, code: &str, text: &str) -> String {
        if self.colour && !text.trim().is_empty() { format!("\u{1b}[{code}m{text}\u{1b}[0m") } else { text.to_owned() }
    }
}

/// At spaces, as far as that is possible; spaces at the start indent what follows as well.
fn wrapped(text: &str, width: usize) -> Vec<String> {
    let indent = text.chars().take_while(|c| *c == ' ').count();
    let mut lines = Vec::new();
    let mut line = " ".repeat(indent);
    let mut empty = true;
    for word in text.trim_start().split(' ') {
        let needed = line.chars().count() + usize::from(!empty) + word.chars().count();
        if needed > width && !empty {
            lines.push(std::mem::replace(&mut line, " ".repeat(indent)));
            empty = true;
        }
        if !empty {
            line.push(' ');
        }
        line += word;
        empty = false;
    }
    lines.push(line);
    lines
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn long_lines_wrap_under_their_own_beginning_and_keep_inner_columns() {
        let text = format!("  {}", "word ".repeat(30));
        let lines = wrapped(text.trim_end(), 40);
        assert!(lines.iter().all(|line| line.chars().count() <= 40 && line.starts_with("  word")), "{lines:#?}");
        assert_eq!(wrapped("a   b", 40), ["a   b"]);
    }

    #[test]
    fn there_is_no_colour_unless_asked_for() {
        let page = |colour| {
            let mut page = Page::new(colour);
            page.row("LAW", "text");
            page.finish()
        };
        assert_eq!(page(false), "LAW       text\n");
        assert!(page(true).contains('\u{1b}'));
    }
}
