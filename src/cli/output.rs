//! How commands for people answer: text, or the same as data for scripts.

use std::io::IsTerminal as _;

use serde::Serialize;

#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
pub enum Output {
    Text,
    Json,
    Yaml,
}

impl Output {
    /// The answer, its last line ended. Only what is wanted is made.
    pub fn answer<D: Serialize>(
        self,
        data: impl FnOnce() -> D,
        text: impl FnOnce() -> String,
    ) -> anyhow::Result<String> {
        Ok(match self {
            Self::Text => text(),
            Self::Json => serde_json::to_string_pretty(&data())? + "\n",
            Self::Yaml => serde_saphyr::to_string(&data())?,
        })
    }
}

/// Whether standard output is coloured. <https://no-color.org>: any value but an empty one switches it off.
pub fn colour() -> bool {
    std::io::stdout().is_terminal() && std::env::var_os("NO_COLOR").is_none_or(|value| value.is_empty())
}
