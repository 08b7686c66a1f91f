//! A load as a table: one task a line, `arrival_s,duration_s`.

use super::{Task, millis};

/// Longest time a line may give, seconds: a year.
const LONGEST: f64 = 366.0 * 86_400.0;

/// What is wrong with a table, and where.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CsvError {
    /// From 1, as editors count.
    pub line: usize,
    pub what: String,
}

impl std::fmt::Display for CsvError {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "line {}: {}", self.line, self.what)
    }
}

impl std::error::Error for CsvError {}

/// Reads `arrival_s,duration_s` lines: seconds with or without a fraction, in any order. The first line may be
/// a header; blank lines and lines that begin with `#` are passed over; columns after the second are ignored.
pub fn parse(text: &str) -> Result<Vec<Task>, CsvError> {
    let mut tasks = Vec::new();
    let mut first = true;
    for (index, line) in text.lines().enumerate() {
        let line = line.trim().trim_start_matches('\u{feff}');
        if line.is_empty() || line.starts_with('#') {
            continue;
        }
        match task(line) {
            Ok(task) => tasks.push(task),
            // A header has letters where numbers should be.
            Err(_) if first && line.starts_with(|c: char| c.is_alphabetic() || c == '"') => {}
            Err(what) => return Err(CsvError { line: index + 1, what }),
        }
        first = false;
    }
    if tasks.is_empty() {
        let line = text.lines().count().max(1);
        return Err(CsvError { line, what: "no task until here; write one a line, such as 12.5,90".to_owned() });
    }
    Ok(tasks)
}

fn task(line: &str) -> Result<Task, String> {
    let mut columns = line.split([',', ';', '\t']).map(str::trim);
    let arrives = number("arrival_s", columns.next())?;
    let lasts = number("duration_s", columns.next())?;
    Ok(Task { arrives: millis(arrives), lasts: millis(lasts) })
}

fn number(column: &str, text: Option<&str>) -> Result<f64, String> {
    let text = text
        .filter(|text| !text.is_empty())
        .ok_or_else(|| format!("{column} is missing; write arrival_s,duration_s in seconds, such as 12.5,90"))?;
    let number: f64 = text.parse().map_err(|_| format!("{column} is {text:?}; write seconds, such as 12.5"))?;
    if !(0.0..=LONGEST).contains(&number) {
        return Err(format!("{column} is {text}; write seconds from 0 to a year"));
    }
    Ok(number)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_table_with_or_without_header_comments_and_more_columns_is_read() {
        let tasks = [Task { arrives: 0, lasts: 90_000 }, Task { arrives: 12_500, lasts: 1_250 }];
        for text in [
            "arrival_s,duration_s\n0,90\n12.5,1.25\n",
            "0,90\r\n12.5,1.25",
            "# my load\n\n0 , 90 , research\n12.5,1.25,coding\n",
            "\u{feff}arrival_s;duration_s\n0;90\n12.5;1.25\n",
        ] {
            assert_eq!(parse(text).unwrap(), tasks, "{text:?}");
        }
    }

    #[test]
    fn a_bad_line_is_told_with_its_number_and_the_remedy() {
        for (text, told) in [
            (
                "arrival_s,duration_s\n1,2\n3\n",
                "line 3: duration_s is missing; write arrival_s,duration_s in seconds, such as 12.5,90",
            ),
            ("1,2\nsoon,3\n", "line 2: arrival_s is \"soon\"; write seconds, such as 12.5"),
            ("1,2\n2,-3\n", "line 2: duration_s is -3; write seconds from 0 to a year"),
            ("1,nan\n", "line 1: duration_s is nan; write seconds from 0 to a year"),
            ("2023-11-16 18:17:03,4\n", "line 1: arrival_s is \"2023-11-16 18:17:03\"; write seconds, such as 12.5"),
            ("arrival_s,duration_s\n", "line 1: no task until here; write one a line, such as 12.5,90"),
            ("", "line 1: no task until here; write one a line, such as 12.5,90"),
        ] {
            assert_eq!(parse(text).unwrap_err().to_string(), told, "{text:?}");
        }
    }
}
