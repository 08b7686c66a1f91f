//! Structured logs on stderr: JSON for machines, plain lines on a terminal.

use std::io::IsTerminal as _;

use tracing_subscriber::EnvFilter;

/// How log lines look.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
pub enum LogFormat {
    /// Text on a terminal, JSON elsewhere.
    Auto,
    Json,
    Text,
}

/// Installs the process's log subscriber. `filter` is in the syntax of `RUST_LOG`: `info,awp=debug`.
pub fn init(format: LogFormat, filter: &str) -> anyhow::Result<()> {
    // lapin logs again what is reported here, and returned messages with their bodies: those never.
    let filter = EnvFilter::try_new(format!("lapin=off,{filter},lapin::returned_messages=off")).map_err(|error| {
        anyhow::anyhow!("--log-filter {filter:?} is not a filter such as `info,awp=debug`: {error}")
    })?;
    let terminal = std::io::stderr().is_terminal();
    let builder = tracing_subscriber::fmt().with_env_filter(filter).with_writer(std::io::stderr);
    match format {
        LogFormat::Json => builder.json().flatten_event(true).with_current_span(true).with_span_list(false).init(),
        LogFormat::Auto if !terminal => builder.json().flatten_event(true).with_span_list(false).init(),
        LogFormat::Auto | LogFormat::Text => builder.with_ansi(terminal).compact().init(),
    }
    Ok(())
}
