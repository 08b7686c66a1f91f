//! `testbed node`: a process node for a cluster that runs already.

use std::path::PathBuf;

use anyhow::{Context as _, Result};
use tokio::signal::unix::{SignalKind, signal};

use super::{Options, ProcessNode};
use crate::base::scratch::Scratch;

/// Joins a cluster as a node that runs pods as processes of this machine.
///
/// Example: testbed node --kubeconfig admin.conf --name here --image 'awp:dev=target/release/awp'
#[derive(Debug, clap::Args)]
pub struct Args {
    /// The cluster to join; it must allow to write Nodes, Pods and Leases.
    #[arg(long, env = "KUBECONFIG")]
    kubeconfig: PathBuf,

    /// The name of the Node.
    #[arg(long)]
    name: String,

    /// The local command that plays an image: words, or a JSON list of strings where a word has spaces. Repeatable.
    #[arg(long = "image", value_name = "REF=COMMAND", value_parser = image)]
    images: Vec<(String, Vec<String>)>,

    /// Where logs and the folders of pods are kept; without it a temporary folder that is removed at the end.
    #[arg(long)]
    dir: Option<PathBuf>,
}

pub fn run(args: Args) -> Result<()> {
    tokio::runtime::Builder::new_current_thread().enable_all().build()?.block_on(serve(args))
}

async fn serve(args: Args) -> Result<()> {
    // Kept to the end: dropping it removes the folder.
    let (_scratch, dir) = if let Some(dir) = args.dir {
        (None, dir)
    } else {
        let scratch = Scratch::new("node")?;
        let dir = scratch.path().to_owned();
        (Some(scratch), dir)
    };
    eprintln!("logs are in {}", dir.join("logs").display());
    let mut options = Options::new(args.name, dir);
    options.images = args.images.into_iter().collect();
    let mut interrupt = signal(SignalKind::interrupt())?;
    let mut terminate = signal(SignalKind::terminate())?;
    let node = ProcessNode::start(&args.kubeconfig, options).await?;
    eprintln!("node {} runs pods here; Ctrl-C stops it and them", node.name());
    tokio::select! {
        _ = interrupt.recv() => {}
        _ = terminate.recv() => {}
    }
    node.stop().await;
    Ok(())
}

fn image(text: &str) -> Result<(String, Vec<String>)> {
    let (reference, command) = text.split_once('=').context("write REF=COMMAND, as in awp:dev=target/release/awp")?;
    let mut command: Vec<String> = if command.trim_start().starts_with('[') {
        serde_json::from_str(command).context("the command is not a JSON list of strings")?
    } else {
        command.split_whitespace().map(str::to_owned).collect()
    };
    // Pods run in folders of their own.
    if let Some(program) = command.first_mut().filter(|program| program.contains('/')) {
        *program = std::path::absolute(&program)?.display().to_string();
    }
    Ok((reference.to_owned(), command))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_image_is_a_reference_and_words_or_a_json_list() {
        let words = |text: &str| image(text).unwrap();
        assert_eq!(words("awp:dev=awp worker"), ("awp:dev".into(), vec!["awp".into(), "worker".into()]));
        assert_eq!(words("sh="), ("sh".into(), vec![]));
        assert_eq!(words(r#"x=["sh", "-c", "a = b"]"#).1, ["sh", "-c", "a = b"]);
        assert!(words("x=bin/y").1[0].starts_with('/'));
        assert!(image("x").is_err());
        assert!(image("x=[1]").is_err());
    }
}
