//! One token that ends everything, set by SIGTERM or SIGINT.

use tokio::signal::unix::{SignalKind, signal};
use tokio_util::sync::CancellationToken;

/// A token that is cancelled by the first SIGTERM or SIGINT. A second signal ends the process at once.
pub fn on_signal() -> std::io::Result<CancellationToken> {
    let token = CancellationToken::new();
    let cancelled = token.clone();
    let mut term = signal(SignalKind::terminate())?;
    let mut interrupt = signal(SignalKind::interrupt())?;
    tokio::spawn(async move {
        tokio::select! { _ = term.recv() => (), _ = interrupt.recv() => () }
        tracing::info!("stopping");
        cancelled.cancel();
        tokio::select! { _ = term.recv() => (), _ = interrupt.recv() => () }
        std::process::exit(130);
    });
    Ok(token)
}
