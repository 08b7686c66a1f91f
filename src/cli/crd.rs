//! `awp crd`: the `CustomResourceDefinition` and its reference, from the types in this binary.

use std::io::{ErrorKind, Write as _};

use anyhow::Context as _;

use crate::api::schema;

/// Print the definition of pools (a CRD) of this version
///
/// Or, with --docs, the API reference. Both are made from the types in this binary, so they agree
/// with what `awp run` understands.
#[derive(Clone, Copy, Debug, clap::Args)]
#[command(after_help = "Example:\n  awp crd | kubectl apply -f -")]
pub struct Args {
    /// Print the API reference as Markdown instead
    #[arg(long)]
    docs: bool,
}

pub fn run(args: Args) -> anyhow::Result<()> {
    let text = if args.docs { reference()? } else { definition()? };
    match std::io::stdout().write_all(text.as_bytes()) {
        // Who reads has seen enough: `awp crd | head`.
        Err(error) if error.kind() == ErrorKind::BrokenPipe => Ok(()),
        written => written.context("stdout cannot be written"),
    }
}

/// The definition as YAML.
pub fn definition() -> anyhow::Result<String> {
    let crd = schema::crd().context("the definition cannot be made")?;
    let yaml = serde_saphyr::to_string(&crd).context("the definition cannot be written as YAML")?;
    Ok(format!("# Made by `awp crd` from the types in src/api; edit those instead.\n{yaml}"))
}

/// The API reference as Markdown.
pub fn reference() -> anyhow::Result<String> {
    schema::reference::markdown().context("the schema cannot be read")
}
