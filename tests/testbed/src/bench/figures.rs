//! Figures: several of a kind, and a table of them for people and for programs.

use std::path::Path;

use anyhow::{Context, Result};
use serde::Serialize;

/// Several measurements of one thing.
#[derive(Clone, Debug, Serialize)]
pub struct Distribution {
    pub count: usize,
    pub min: f64,
    pub mean: f64,
    pub median: f64,
    pub p95: f64,
    pub max: f64,
}

impl Distribution {
    /// `None` of nothing.
    pub fn of(mut values: Vec<f64>) -> Option<Self> {
        values.sort_by(f64::total_cmp);
        let count = values.len();
        // The smallest value that so many are not above.
        let at = |share: f64| values[((count as f64 * share).ceil() as usize).clamp(1, count) - 1];
        (count > 0).then(|| Self {
            count,
            min: at(0.0),
            mean: values.iter().sum::<f64>() / count as f64,
            median: at(0.5),
            p95: at(0.95),
            max: at(1.0),
        })
    }

    /// In seconds, as one line.
    pub fn seconds(&self) -> String {
        let Self { mean, median, p95, max, .. } = self;
        format!("mean {mean:.2}, median {median:.2}, p95 {p95:.2}, max {max:.2} s")
    }
}

/// One line of a table.
#[derive(Clone, Debug, Serialize)]
pub struct Row {
    pub what: String,
    pub measured: String,
    /// What it should be; empty for none.
    pub aim: String,
    /// Another's figure, which was not measured by this run; empty for none.
    pub peer: &'static str,
}

impl Row {
    pub fn new(what: impl Into<String>, measured: impl Into<String>, aim: impl Into<String>) -> Self {
        Self { what: what.into(), measured: measured.into(), aim: aim.into(), peer: "" }
    }

    /// Another's figure.
    #[must_use]
    pub fn beside(self, peer: &'static str) -> Self {
        Self { peer, ..self }
    }
}

/// What one part of the benchmark found.
#[derive(Clone, Debug, Serialize)]
pub struct Figures {
    pub part: String,
    pub rows: Vec<Row>,
    /// The numbers behind the rows.
    pub numbers: serde_json::Value,
}

impl Figures {
    pub fn new(part: impl Into<String>, numbers: &impl Serialize) -> Result<Self> {
        Ok(Self { part: part.into(), rows: Vec::new(), numbers: serde_json::to_value(numbers)? })
    }

    pub fn print(&self) {
        let head = Row::new(self.part.clone(), "measured", "aim").beside("others *");
        let rows: Vec<[&str; 4]> = [&head]
            .into_iter()
            .chain(&self.rows)
            .map(|row| [row.what.as_str(), row.measured.as_str(), &row.aim, row.peer])
            .collect();
        let width = |column: usize| rows.iter().map(|row| row[column].chars().count()).max().unwrap_or(0);
        let widths = [0, 1, 2, 3].map(width);
        println!();
        for row in &rows {
            let cells = row.iter().zip(widths).map(|(cell, width)| format!("{cell:width$}  "));
            println!("{}", cells.collect::<String>().trim_end());
        }
    }

    /// As `PART.json` in `folder`, with the machine it was measured on.
    pub fn keep(&self, folder: &Path, machine: &super::machine::Machine) -> Result<()> {
        std::fs::create_dir_all(folder).with_context(|| format!("cannot create {}", folder.display()))?;
        let path = folder.join(format!("{}.json", self.part.replace(' ', "-")));
        let text = serde_json::to_string_pretty(&serde_json::json!({"machine": machine, "figures": self}))?;
        std::fs::write(&path, text + "\n").with_context(|| format!("cannot write {}", path.display()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_percentile_is_one_of_the_values() {
        let distribution = Distribution::of((1..=30).map(f64::from).collect()).unwrap();
        assert_eq!((distribution.median.to_string(), distribution.p95.to_string()), ("15".into(), "29".into()));
        assert_eq!((distribution.min.to_string(), distribution.max.to_string()), ("1".into(), "30".into()));
        assert!(Distribution::of(Vec::new()).is_none());
    }
}
