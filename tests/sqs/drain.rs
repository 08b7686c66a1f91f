//! `awp worker` on SQS when it is told to go.

use std::time::Duration;

use rustix::process::Signal;

use crate::bench::Bench;

#[tokio::test(flavor = "multi_thread")]
async fn on_sigterm_a_worker_finishes_what_it_has_and_takes_nothing_more() {
    let bench = Bench::new("sigterm", "").await;
    bench.published(&["--durations", "4", "--count", "10"]).await;
    let mut worker = bench.worker(&["--prefetch", "2", "--simulate"]).await;
    worker.until_status("two at work", |status| status.in_flight == 2).await;
    worker.signal(Signal::TERM);
    let status = worker.ended().await;
    assert!(status.success(), "{}", worker.log());
    let counts = bench.sqs.counts(&bench.queue).await.unwrap();
    assert_eq!(
        (counts.visible, counts.in_flight),
        (8, 0),
        "what was not begun is there for others at once: {}",
        worker.log()
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_long_poll_that_was_on_its_way_hides_nothing() {
    let bench = Bench::new("polling", "").await;
    let mut worker = bench.worker(&["--prefetch", "2", "--simulate"]).await;
    // It waits for messages now; what arrives after the signal may still be given to that poll.
    tokio::time::sleep(Duration::from_secs(1)).await;
    worker.signal(Signal::TERM);
    bench.published(&["--durations", "30", "--count", "3"]).await;
    let status = worker.ended().await;
    assert!(status.success(), "{}", worker.log());
    let counts = bench.sqs.counts(&bench.queue).await.unwrap();
    assert_eq!((counts.visible, counts.in_flight), (3, 0), "{}", worker.log());
}
