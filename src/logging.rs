//! Where messages go: standard error, as lines for people on a terminal, as JSON elsewhere.
//! Standard output is for data.

use std::io::IsTerminal;

use tracing_subscriber::EnvFilter;
use tracing_subscriber::filter::LevelFilter;

/// What is logged, like `debug` or `awp=debug,lapin=warn`.
pub const VARIABLE: &str = "AWP_LOG";

/// Once per process; a second call does nothing.
pub fn init() {
    let terminal = std::io::stderr().is_terminal();
    let builder = tracing_subscriber::fmt().with_env_filter(filter()).with_writer(std::io::stderr);
    let _ = if terminal {
        builder.with_target(false).try_init()
    } else {
        builder.json().flatten_event(true).with_target(false).try_init()
    };
}

/// lapin's own view of what we report is off unless asked for. What it says of returned messages
/// stays off: it prints them, bodies and all.
fn filter() -> EnvFilter {
    let asked = std::env::var(VARIABLE).unwrap_or_default();
    let base = if asked.trim().is_empty() { "info,lapin=off".to_owned() } else { asked };
    EnvFilter::builder()
        .with_default_directive(LevelFilter::INFO.into())
        .parse_lossy(format!("{base},lapin::returned_messages=off"))
}
