//! Waiting for something to become true, with an end.

use std::time::Duration;

use anyhow::{Context, Result, bail};
use tokio::time::{Instant, sleep};

/// Asks `probe` until it answers `Ok(Some(value))`. The error of the last try is part of the message after `limit`.
pub async fn until<T>(what: &str, limit: Duration, mut probe: impl AsyncFnMut() -> Result<Option<T>>) -> Result<T> {
    const PAUSE: Duration = Duration::from_millis(50);
    let deadline = Instant::now() + limit;
    loop {
        // A probe that hangs must not outlive the limit either.
        let answer = match tokio::time::timeout_at(deadline, probe()).await {
            Ok(Ok(Some(value))) => return Ok(value),
            Ok(Ok(None)) => None,
            Ok(Err(error)) => Some(error),
            Err(_) => Some(anyhow::anyhow!("the last try did not end in time")),
        };
        if Instant::now() >= deadline {
            let message = format!("{what}: not within {} s", limit.as_secs_f64());
            return match answer {
                Some(error) => Err(error).context(message),
                None => bail!(message),
            };
        }
        sleep(PAUSE).await;
    }
}
