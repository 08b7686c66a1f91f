//! Two signals: the first stops taking tasks and finishes, the second ends at once.

use tokio::signal::unix::{SignalKind, signal};
use tokio_util::sync::CancellationToken;

#[derive(Clone, Debug, Default)]
pub struct Shutdown {
    stop: CancellationToken,
    abort: CancellationToken,
}

impl Shutdown {
    /// Listens for SIGTERM (Kubernetes) and SIGINT (a terminal).
    pub fn on_signals() -> std::io::Result<Self> {
        let mut terminate = signal(SignalKind::terminate())?;
        let mut interrupt = signal(SignalKind::interrupt())?;
        let shutdown = Self::default();
        let signalled = shutdown.clone();
        tokio::spawn(async move {
            loop {
                tokio::select! {
                    _ = terminate.recv() => {}
                    _ = interrupt.recv() => {}
                }
                signalled.signal();
            }
        });
        Ok(shutdown)
    }

    /// What a signal does.
    pub fn signal(&self) {
        if self.stopping() {
            self.abort.cancel();
        } else {
            self.stop.cancel();
        }
    }

    pub fn stopping(&self) -> bool {
        self.stop.is_cancelled()
    }

    pub fn aborting(&self) -> bool {
        self.abort.is_cancelled()
    }

    /// Until the first signal.
    pub async fn stopped(&self) {
        self.stop.cancelled().await;
    }

    /// Until the second.
    pub async fn aborted(&self) {
        self.abort.cancelled().await;
    }
}
