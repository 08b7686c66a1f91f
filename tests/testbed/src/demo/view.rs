//! The live view: on a terminal one block that is redrawn under the history, elsewhere a line per change.

use std::io::{IsTerminal, Write as _};
use std::time::{Duration, Instant};

use super::facts::Facts;

#[derive(Debug)]
pub struct View {
    /// Its width, where there is one.
    terminal: Option<usize>,
    begun: Instant,
    last: Option<Facts>,
    /// Replicas and bound of the last line.
    told: Option<(i32, String)>,
    last_line: Duration,
    /// Lines of the block on the screen.
    drawn: usize,
}

/// Without a terminal, readings alone are told this often.
const QUIET: Duration = Duration::from_secs(2);

/// What stands left of the bars and right of them, characters.
const MARGIN: usize = 60;

impl View {
    pub fn new() -> Self {
        let terminal = std::io::stdout().is_terminal().then(width);
        Self { terminal, begun: Instant::now(), last: None, told: None, last_line: Duration::ZERO, drawn: 0 }
    }

    pub fn step(&mut self, words: &str) {
        eprintln!("{:>5.1} s  {words}", self.begun.elapsed().as_secs_f64());
    }

    pub fn head(&self) {
        println!("\n    time  backlog  in flight  workers (ready)  why");
    }

    pub fn show(&mut self, elapsed: Duration, facts: &Facts) {
        let now = Some((facts.replicas, facts.bound_by.clone()));
        let decided = self.told != now && facts.explained == facts.replicas;
        let read = self.last.as_ref() != Some(facts) && elapsed.saturating_sub(self.last_line) >= QUIET;
        if decided || (read && self.terminal.is_none()) {
            self.clear();
            println!("{}", clip(&line(elapsed, facts), self.terminal));
            self.last_line = elapsed;
            self.told = now;
        }
        if let Some(width) = self.terminal {
            self.clear();
            self.draw(elapsed, facts, width);
        }
        self.last = Some(facts.clone());
    }

    /// Ends the redrawn block.
    pub fn end(&mut self) {
        self.clear();
        self.terminal = None;
    }

    fn draw(&mut self, elapsed: Duration, facts: &Facts, width: usize) {
        let room = width.saturating_sub(MARGIN).clamp(10, 60);
        let row = |name: &str, colour: u8, count: u64, sign: &str, more: &str| {
            let cells = usize::try_from(count).unwrap_or(room).min(room);
            format!("          {name:<8}{count:>5}  \x1b[{colour}m{}\x1b[0m {more}", sign.repeat(cells))
        };
        let of_slots = format!("of {} slots", facts.slots * facts.ready_pods() as u64);
        let lines = [
            format!("{:>6.1} s  \x1b[2m{}\x1b[0m", elapsed.as_secs_f64(), "─".repeat(room + 15)),
            row("waiting", 33, facts.ready.unwrap_or(0), "█", ""),
            row("working", 32, facts.in_flight.unwrap_or(0), "█", &of_slots),
            row("workers", 36, facts.pods.len() as u64, "■", &pods(facts)),
            format!("          why       {}", clip(&facts.reason, Some(width.saturating_sub(21)))),
        ];
        println!("{}", lines.join("\n"));
        self.drawn = lines.len();
        // A view that cannot be drawn is no reason to end the demo.
        let _ = std::io::stdout().flush();
    }

    fn clear(&mut self) {
        if self.drawn > 0 {
            print!("\x1b[{}A\x1b[J", self.drawn);
            self.drawn = 0;
        }
    }
}

impl Default for View {
    fn default() -> Self {
        Self::new()
    }
}

/// What the pods are about, if they are not all at work.
fn pods(facts: &Facts) -> String {
    let starting = facts.pods.iter().filter(|pod| !pod.ready && !pod.terminating).count();
    let leaving = facts.pods.iter().filter(|pod| pod.terminating).count();
    let parts = [(starting, "starting"), (leaving, "leaving")].into_iter().filter(|(count, _)| *count > 0);
    parts.map(|(count, what)| format!("{count} {what}")).collect::<Vec<_>>().join(", ")
}

fn line(elapsed: Duration, facts: &Facts) -> String {
    let known = |count: Option<u64>| count.map_or_else(|| "?".to_owned(), |count| count.to_string());
    format!(
        "{:>6.1} s  {:>7}  {:>9}  {:>7} {:<7}  {}",
        elapsed.as_secs_f64(),
        known(facts.ready),
        known(facts.in_flight),
        facts.replicas,
        format!("({})", facts.ready_pods()),
        facts.reason,
    )
}

/// A line that wraps could not be taken back.
fn clip(text: &str, width: Option<usize>) -> String {
    match width {
        Some(width) if text.chars().count() > width => {
            text.chars().take(width.saturating_sub(1)).chain(['…']).collect()
        }
        _ => text.to_owned(),
    }
}

/// Columns of the terminal; it is asked once.
fn width() -> usize {
    const USUAL: usize = 80;
    let answer = std::process::Command::new("stty").arg("size").stdin(std::process::Stdio::inherit()).output();
    let columns = answer.ok().and_then(|answer| {
        let text = String::from_utf8(answer.stdout).ok()?;
        text.split_whitespace().nth(1)?.parse().ok()
    });
    columns.filter(|columns| *columns > 0).unwrap_or(USUAL)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_long_line_is_clipped_by_characters() {
        assert_eq!(clip("→→→→", Some(3)), "→→…");
        assert_eq!(clip("→→→", Some(3)), "→→→");
        assert_eq!(clip("long", None), "long");
    }
}
