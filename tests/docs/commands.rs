//! Commands, targets and links in the documents.

use std::collections::BTreeSet;
use std::path::Path;
use std::process::Command;

use crate::text::{blocks, documents, read};

/// Lines of shell, continued ones joined, comments taken off.
fn shell_lines() -> Vec<(String, String)> {
    let mut lines = Vec::new();
    for block in blocks("sh") {
        for line in block.text.replace("\\\n", " ").lines() {
            let line = line.split(" #").next().unwrap_or_default().trim();
            if !line.is_empty() && !line.starts_with('#') {
                lines.push((block.place.clone(), line.to_owned()));
            }
        }
    }
    lines
}

/// Text in single backticks, where prose names commands.
fn quoted() -> Vec<(String, String)> {
    let mut all = Vec::new();
    for file in documents() {
        let text = read(&file);
        // Fenced blocks have backticks in threes; what is between single ones is at odd positions.
        let prose: String = text.split("```").step_by(2).collect();
        all.extend(
            prose.split('`').skip(1).step_by(2).map(|code| (file.display().to_string(), code.replace('\n', " "))),
        );
    }
    all
}

/// The arguments of `awp`, wherever in the line it is called.
fn awp_arguments(line: &str) -> Option<Vec<&str>> {
    let words: Vec<&str> = line.split_whitespace().collect();
    if let Some(at) = words.iter().position(|word| *word == "awp") {
        let assignments_before = words[..at].iter().all(|word| word.contains('='));
        return assignments_before.then(|| words[at + 1..].to_vec());
    }
    // `kubectl run … --image=awp:0.1.0 … -- ARGUMENTS`: the image's entry point is awp.
    let image = words.iter().any(|word| word.starts_with("--image=awp"));
    let arguments = words.iter().position(|word| *word == "--").filter(|_| image)?;
    Some(words[arguments + 1..].to_vec())
}

fn help(subcommand: &str) -> Option<String> {
    let answer = Command::new(env!("CARGO_BIN_EXE_awp")).args([subcommand, "--help"]).output().unwrap();
    answer.status.success().then(|| String::from_utf8(answer.stdout).unwrap())
}

#[test]
fn every_awp_command_and_flag_that_is_quoted_exists() {
    let mut seen = BTreeSet::new();
    for (place, line) in shell_lines().into_iter().chain(quoted()) {
        let Some(arguments) = awp_arguments(&line) else { continue };
        let Some((subcommand, rest)) = arguments.split_first() else { continue };
        if !subcommand.chars().all(|c| c.is_ascii_lowercase()) {
            continue;
        }
        let help = help(subcommand).unwrap_or_else(|| panic!("{place}: there is no `awp {subcommand}`"));
        seen.insert((*subcommand).to_owned());
        for flag in rest.iter().take_while(|word| **word != "--").filter(|word| word.starts_with('-')) {
            let flag = flag.split('=').next().unwrap();
            let known = help.split(|c: char| c.is_whitespace() || c == ',' || c == '=').any(|word| word == flag);
            assert!(known, "{place}: `awp {subcommand}` has no {flag}");
        }
    }
    assert!(seen.len() >= 4, "only {seen:?} found: does the reader of documents still work?");
}

#[test]
fn every_make_target_that_is_quoted_exists() {
    let makefile = read(Path::new("Makefile"));
    for (place, line) in shell_lines().into_iter().chain(quoted()) {
        let Some(target) = line.strip_prefix("make ").and_then(|rest| rest.split_whitespace().next()) else { continue };
        assert!(makefile.contains(&format!("\n{target}: ##")), "{place}: there is no `make {target}`");
    }
}

#[test]
fn every_test_target_that_is_quoted_exists() {
    for (place, line) in shell_lines().into_iter().chain(quoted()) {
        let Some(target) = line.split("--test ").nth(1).and_then(|rest| rest.split_whitespace().next()) else {
            continue;
        };
        let exists = [format!("tests/{target}.rs"), format!("tests/{target}/main.rs")]
            .iter()
            .any(|file| Path::new(file).exists());
        assert!(exists, "{place}: there is no test target {target}");
    }
}

#[test]
fn every_link_leads_somewhere() {
    for file in documents() {
        for link in read(&file).split("](").skip(1).filter_map(|rest| rest.split(')').next()) {
            let target = link.split('#').next().unwrap();
            let inside = !target.is_empty() && !target.contains("://");
            assert!(!inside || file.parent().unwrap().join(target).exists(), "{}: a link to {link}", file.display());
        }
    }
}

/// What is in backticks and begins with a folder of ours is a path; in the map, folders are those of `src`.
#[test]
fn every_path_that_is_quoted_exists() {
    let mut lost = Vec::new();
    for (place, code) in quoted() {
        let path = code.split([' ', ':']).next().unwrap();
        let Some((folder, _)) = path.split_once('/') else { continue };
        let ours = ["src", "tests", "docs", "charts", "examples", "scripts", "crds"].contains(&folder);
        let below_source = place.ends_with("architecture.md") && Path::new("src").join(folder).is_dir();
        let exists = Path::new(path).exists() || (below_source && Path::new("src").join(path).exists());
        if (ours || below_source) && !exists {
            lost.push(format!("{place}: `{path}`"));
        }
    }
    assert!(lost.is_empty(), "{lost:#?}");
}
