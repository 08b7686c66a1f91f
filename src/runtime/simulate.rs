//! Pretends to work, for try-outs and tests: `{"durationSeconds": 12.5}`.

use std::time::Duration;

use serde::Deserialize;

use super::shutdown::Shutdown;
use super::work::{Outcome, Task, timed_out};

/// A day. No try-out waits longer.
const LONGEST: f64 = 86_400.0;

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Body {
    duration_seconds: f64,
}

pub(super) async fn run(task: &Task<'_>, shutdown: &Shutdown) -> Outcome {
    let duration = match duration(&task.message.body) {
        Ok(duration) => duration,
        Err(reason) => return Outcome::Failed(reason),
    };
    let limit = task.timeout.unwrap_or(Duration::MAX);
    tokio::select! {
        () = shutdown.aborted() => Outcome::Aborted,
        () = tokio::time::sleep(duration.min(limit)) => {
            if duration > limit { Outcome::Failed(timed_out(limit)) } else { Outcome::Done }
        }
    }
}

fn duration(body: &[u8]) -> Result<Duration, String> {
    let wrong = |cause: &dyn std::fmt::Display| {
        format!("a simulated task's body must be {{\"durationSeconds\": 12.5}}, from 0 to {LONGEST}: {cause}")
    };
    // The place only: serde_json's own words would repeat a part of the body in the log.
    let body: Body = serde_json::from_slice(body)
        .map_err(|error| wrong(&format_args!("wrong at line {} column {}", error.line(), error.column())))?;
    if !(0.0..=LONGEST).contains(&body.duration_seconds) {
        return Err(wrong(&body.duration_seconds));
    }
    Ok(Duration::from_secs_f64(body.duration_seconds))
}

#[cfg(test)]
mod tests {
    use std::time::SystemTime;

    use super::super::broker::Message;
    use super::*;

    async fn outcome(body: &str, timeout: Option<Duration>) -> Outcome {
        let message = Message { body: body.into(), ..Message::default() };
        run(&Task { message: &message, timeout, now: SystemTime::UNIX_EPOCH }, &Shutdown::default()).await
    }

    #[tokio::test(start_paused = true)]
    async fn it_takes_as_long_as_the_body_says() {
        let start = tokio::time::Instant::now();
        assert_eq!(outcome(r#"{"durationSeconds": 12.5}"#, None).await, Outcome::Done);
        assert_eq!(start.elapsed(), Duration::from_millis(12_500));
    }

    #[tokio::test(start_paused = true)]
    async fn the_task_timeout_ends_it() {
        let start = tokio::time::Instant::now();
        let ended = outcome(r#"{"durationSeconds": 60}"#, Some(Duration::from_secs(2))).await;
        assert!(matches!(ended, Outcome::Failed(reason) if reason.contains("timeout of 2 s")));
        assert_eq!(start.elapsed(), Duration::from_secs(2));
    }

    #[tokio::test]
    async fn any_other_body_is_a_failure_with_the_form_to_use() {
        for body in
            ["", "12", "{}", r#"{"durationSeconds":"1"}"#, r#"{"durationSeconds":-1}"#, r#"{"durationSeconds":1e9}"#]
        {
            let ended = outcome(body, None).await;
            assert!(matches!(&ended, Outcome::Failed(reason) if reason.contains("durationSeconds")), "{ended:?}");
        }
    }

    #[tokio::test]
    async fn a_second_signal_ends_it_at_once() {
        let message = Message { body: br#"{"durationSeconds": 60}"#.to_vec(), ..Message::default() };
        let task = Task { message: &message, timeout: None, now: SystemTime::UNIX_EPOCH };
        let shutdown = Shutdown::default();
        shutdown.signal();
        shutdown.signal();
        assert_eq!(run(&task, &shutdown).await, Outcome::Aborted);
    }
}
