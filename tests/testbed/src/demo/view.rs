//! The live view: on a terminal one block that is redrawn under the history, elsewhere a line per change.

use std::io::{IsTerminal, Write as _};
use std::time::{Duration, Instant};

use super::facts::Facts;

#[derive(Debug)]
pub struct View {
    terminal: bool,
    begun: Instant,
    last: Option<Facts>,
    last_line: Duration,
}

/// Without a terminal, readings alone are told this often.
const QUIET: Duration = Duration::from_secs(2);

/// Widest bar, characters.
const BAR: usize = 40;

impl View {
    pub fn new() -> Self {
        let terminal = std::io::stdout().is_terminal();
        Self { terminal, begun: Instant::now(), last: None, last_line: Duration::ZERO }
    }

    pub fn step(&mut self, words: &str) {
        eprintln!("{:>5.1} s  {words}", self.begun.elapsed().as_secs_f64());
    }

    pub fn head() {
        println!("\n  time  backlog  in flight  workers (ready)  why");
    }

    pub fn show(&mut self, elapsed: Duration, facts: &Facts) {
        let decided = self.last.as_ref().is_none_or(|last| {
            (last.replicas, &last.bound_by, last.granted) != (facts.replicas, &facts.bound_by, facts.granted)
        });
        let read = self.last.as_ref() != Some(facts) && elapsed.saturating_sub(self.last_line) >= QUIET;
        if decided || (read && !self.terminal) {
            self.clear();
            println!("{}", line(elapsed, facts));
            self.last_line = elapsed;
        }
        if self.terminal {
            self.draw(elapsed, facts);
        }
        self.last = Some(facts.clone());
    }

    /// Ends the redrawn block.
    pub fn end(&mut self) {
        self.clear();
        self.terminal = false;
    }

    fn draw(&self, elapsed: Duration, facts: &Facts) {
        let bar = |count: u64| "█".repeat(usize::try_from(count).unwrap_or(BAR).min(BAR));
        self.clear();
        print!(
            "\x1b[2m{:>5.1}s\x1b[0m waiting \x1b[33m{}\x1b[0m working \x1b[32m{}\x1b[0m workers \x1b[36m{}\x1b[0m {}",
            elapsed.as_secs_f64(),
            bar(facts.ready.unwrap_or(0)),
            bar(facts.in_flight.unwrap_or(0)),
            bar(facts.ready_pods() as u64),
            facts.ready_pods(),
        );
        // A view that cannot be drawn is no reason to end the demo.
        let _ = std::io::stdout().flush();
    }

    fn clear(&self) {
        if self.terminal {
            print!("\r\x1b[K");
        }
    }
}

fn line(elapsed: Duration, facts: &Facts) -> String {
    let known = |count: Option<u64>| count.map_or_else(|| "?".to_owned(), |count| count.to_string());
    format!(
        "{:>5.1}s  {:>7}  {:>9}  {:>7} {:<8} {}",
        elapsed.as_secs_f64(),
        known(facts.ready),
        known(facts.in_flight),
        facts.replicas,
        format!("({})", facts.ready_pods()),
        facts.reason,
    )
}
