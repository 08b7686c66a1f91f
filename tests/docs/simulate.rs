//! Every `awp simulate` in `docs/simulate.md` is run, and answers what is written below it. `AWP_UPDATE=1` writes the
//! answers anew.

use std::path::{Path, PathBuf};
use std::process::Command;

use crate::text::read;

const DOCUMENT: &str = "docs/simulate.md";
const FENCE: &str = "```";

/// Where the public traces lie, if they do.
fn traces() -> Option<PathBuf> {
    let beside = Path::new(env!("CARGO_MANIFEST_DIR")).join("../shared/traces");
    let folder = std::env::var_os("AWP_TRACES").map_or(beside, PathBuf::from);
    folder.join("agent_runs.csv").is_file().then_some(folder)
}

/// What one line answers, run in `folder`; `None` where the public traces are needed and not there.
fn answer(line: &str, folder: &Path) -> Option<String> {
    let mut command = Command::new(env!("CARGO_BIN_EXE_awp"));
    command.args(line.split_whitespace().skip(1)).current_dir(folder);
    if line.contains("--set") {
        let Some(traces) = traces() else {
            eprintln!("skipped: {line}: no traces; set AWP_TRACES to the folder with agent_runs.csv");
            return None;
        };
        command.arg("--traces").arg(traces);
    }
    let answer = command.output().unwrap();
    assert!(answer.status.success(), "{DOCUMENT}: `{line}`: {}", String::from_utf8_lossy(&answer.stderr));
    Some(String::from_utf8(answer.stdout).unwrap())
}

#[test]
fn every_simulation_that_is_quoted_answers_what_is_written() {
    let folder = tempfile::tempdir().unwrap();
    std::os::unix::fs::symlink(std::fs::canonicalize("examples").unwrap(), folder.path().join("examples")).unwrap();
    let document = read(Path::new(DOCUMENT));
    let mut parts: Vec<String> = document.split(FENCE).map(str::to_owned).collect();
    let mut run = 0;
    for block in (1..parts.len()).step_by(2) {
        let lines: Vec<String> =
            parts[block].strip_prefix("sh\n").unwrap_or_default().lines().map(str::to_owned).collect();
        let answers: Vec<String> = lines
            .iter()
            .filter(|line| line.starts_with("awp simulate"))
            .filter_map(|line| answer(line, folder.path()))
            .collect();
        run += answers.len();
        // An answer is written right below its command.
        if let ([answer], Some(written)) =
            (answers.as_slice(), parts.get(block + 2).filter(|_| parts[block + 1].trim().is_empty()))
            && let Some(written) = written.strip_prefix("text\n")
        {
            if std::env::var_os("AWP_UPDATE").is_some() {
                parts[block + 2] = format!("text\n{answer}");
            } else {
                assert_eq!(written, answer, "{DOCUMENT}: {lines:?} answers otherwise; AWP_UPDATE=1 writes it anew");
            }
        }
    }
    assert!(run >= 4, "only {run} commands found: does the reader of documents still work?");
    if std::env::var_os("AWP_UPDATE").is_some() {
        std::fs::write(DOCUMENT, parts.join(FENCE)).unwrap();
    }
    let picture = read(&folder.path().join("burst.svg"));
    for part in ["<svg xmlns", "startWithin 30 s", "maxReplicas 40", "prefers-color-scheme:dark", "hours"] {
        assert!(picture.contains(part), "the picture has no {part}");
    }
}
