//! The documents, and the blocks of code in them.

use std::path::{Path, PathBuf};

/// A fenced block of code.
#[derive(Debug)]
pub struct Block {
    /// `file:line` of its first line.
    pub place: String,
    /// The word after the fence: `sh`, `yaml`.
    pub language: String,
    pub text: String,
}

pub fn documents() -> Vec<PathBuf> {
    let folders = ["docs", "docs/brokers"].map(|folder| std::fs::read_dir(folder).unwrap());
    let docs = folders.into_iter().flatten().map(|entry| entry.unwrap().path());
    let mut files: Vec<PathBuf> = docs.chain(["README.md", "CONTRIBUTING.md"].map(PathBuf::from)).collect();
    files.retain(|file| file.extension().is_some_and(|extension| extension == "md"));
    files.sort();
    files
}

pub fn read(file: &Path) -> String {
    std::fs::read_to_string(file).unwrap_or_else(|error| panic!("{}: {error}", file.display()))
}

/// All blocks of all documents; one in a list item is taken without its indentation.
pub fn blocks(language: &str) -> Vec<Block> {
    let all = documents().into_iter().flat_map(|file| blocks_of(&file, &read(&file)));
    all.filter(|block| block.language == language).collect()
}

fn blocks_of(file: &Path, text: &str) -> Vec<Block> {
    let mut blocks = Vec::new();
    let mut open: Option<(Block, usize)> = None;
    for (number, line) in text.lines().enumerate() {
        let indent = line.len() - line.trim_start().len();
        let fence = line.trim_start().strip_prefix("```");
        match (open.take(), fence) {
            (Some((block, _)), Some(_)) => blocks.push(block),
            (Some((mut block, indent)), None) => {
                block.text += line.get(indent..).unwrap_or_default();
                block.text.push('\n');
                open = Some((block, indent));
            }
            (None, Some(language)) => {
                let place = format!("{}:{}", file.display(), number + 2);
                open = Some((Block { place, language: language.trim().to_owned(), text: String::new() }, indent));
            }
            (None, None) => (),
        }
    }
    blocks
}
