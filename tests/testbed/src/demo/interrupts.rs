//! Ctrl-C and its kin: work is dropped, and what it started is ended in order.

use anyhow::{Result, bail};
use tokio::signal::unix::{Signal, SignalKind, signal};

#[derive(Debug)]
pub struct Interrupts {
    /// Ctrl-C, a supervisor's order, a closed terminal.
    signals: [Signal; 3],
    came: bool,
}

impl Interrupts {
    pub fn listen() -> Result<Self> {
        let listen = |kind| signal(kind);
        let signals = [SignalKind::interrupt(), SignalKind::terminate(), SignalKind::hangup()].map(listen);
        let [interrupt, terminate, hangup] = signals;
        Ok(Self { signals: [interrupt?, terminate?, hangup?], came: false })
    }

    pub async fn next(&mut self) {
        let [interrupt, terminate, hangup] = &mut self.signals;
        tokio::select! {
            _ = interrupt.recv() => {}
            _ = terminate.recv() => {}
            _ = hangup.recv() => {}
        }
        self.came = true;
    }

    pub fn came(&self) -> bool {
        self.came
    }

    /// The work's answer, or an error when an interrupt came first. The work is then dropped where it stood.
    pub async fn or<T>(&mut self, work: impl Future<Output = Result<T>>) -> Result<T> {
        tokio::select! {
            // A helper program that died of the same Ctrl-C is not the reason to tell.
            biased;
            () = self.next() => bail!("interrupted"),
            answer = work => answer,
        }
    }
}
