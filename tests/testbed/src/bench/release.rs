//! Part `release`: the size of the program and of its image, and what it is when it starts.

use std::path::Path;
use std::process::Stdio;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use serde::Serialize;
use tokio::process::Command;

use super::broker::Kind;
use super::figures::{Distribution, Figures, Row};
use super::process::Process;
use super::say;
use super::site::Site;
use crate::operator::Operator;

const STARTS: usize = 5;

#[derive(Clone, Debug, Serialize)]
struct Release {
    program_bytes: u64,
    /// All files of the image, and its only layer as a registry keeps it.
    image_bytes: u64,
    image_compressed_bytes: u64,
    /// Seconds until `awp --version` has ended, and until `awp run` says that it is ready.
    version: Distribution,
    ready: Distribution,
    /// Of `awp run` without any pool, bytes.
    memory: u64,
}

pub async fn measure(awp: &Path) -> Result<Figures> {
    say("release: image and start");
    let program_bytes = std::fs::metadata(awp)?.len();
    let (image_bytes, image_compressed_bytes) = image(awp).await?;
    let version = times(async || version(awp).await).await?;
    let site = Site::start(Kind::Rabbitmq).await?;
    let started = starts(&site, awp).await;
    site.shut_down().await?;
    let (ready, memory) = started?;
    let release = Release { program_bytes, image_bytes, image_compressed_bytes, version, ready, memory };

    let mut figures = Figures::new("release", &release)?;
    let megabytes = |bytes: u64| format!("{:.1} MB", bytes as f64 / 1e6);
    let image = format!("{} ({} compressed)", megabytes(image_bytes), megabytes(image_compressed_bytes));
    figures.rows = vec![
        Row::new("program", megabytes(program_bytes), ""),
        Row::new("image", image, "≤ 40 MB"),
        Row::new("awp --version", release.version.seconds(), ""),
        Row::new("awp run until ready", release.ready.seconds(), ""),
        Row::new("memory without pools", megabytes(memory), ""),
    ];
    Ok(figures)
}

/// The folder that becomes the image.
async fn image(awp: &Path) -> Result<(u64, u64)> {
    let folder = tempfile::tempdir()?;
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../scripts/rootfs.sh");
    let made = Command::new(script).arg(awp).arg(folder.path()).status().await?;
    ensure!(made.success(), "scripts/rootfs.sh failed");
    let count = async |pipeline: &str| -> Result<u64> {
        let shell = Command::new("sh")
            .args(["-c", pipeline, "sh"])
            .arg(folder.path())
            .stderr(Stdio::inherit())
            .output()
            .await?;
        let text = String::from_utf8(shell.stdout)?;
        text.trim().parse().with_context(|| format!("`{pipeline}` answered {text:?}"))
    };
    Ok((count("tar -C \"$1\" -cf - . | wc -c").await?, count("tar -C \"$1\" -cf - . | gzip | wc -c").await?))
}

async fn version(awp: &Path) -> Result<()> {
    let status = Command::new(awp).arg("--version").stdout(Stdio::null()).status().await?;
    ensure!(status.success(), "awp --version failed");
    Ok(())
}

async fn starts(site: &Site, awp: &Path) -> Result<(Distribution, u64)> {
    site.install(awp).await?;
    let mut last: Option<Operator> = None;
    let ready = times(async || {
        if let Some(operator) = last.take() {
            operator.kill().await?;
        }
        let before = Instant::now();
        last = Some(site.operator(awp).await?);
        // The kubeconfig costs a request, the operator is asked every 50 ms whether it is ready.
        tracing::debug!(seconds = before.elapsed().as_secs_f64(), "started");
        Ok(())
    })
    .await?;
    let operator = last.context("the operator was never started")?;
    tokio::time::sleep(Duration::from_secs(2)).await;
    let (memory, _) = Process(operator.pid().await?).memory()?;
    operator.stop().await?;
    Ok((ready, memory))
}

async fn times(mut work: impl AsyncFnMut() -> Result<()>) -> Result<Distribution> {
    let mut seconds = Vec::new();
    for _ in 0..STARTS {
        let began = Instant::now();
        work().await?;
        seconds.push(began.elapsed().as_secs_f64());
    }
    Distribution::of(seconds).context("nothing was measured")
}
