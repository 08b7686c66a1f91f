//! One record given out as a task.

use std::sync::{Arc, mpsc};
use std::thread::Thread;
use std::time::SystemTime;

use futures::FutureExt;
use futures::future::BoxFuture;
use tokio::sync::oneshot;
use tokio_util::sync::CancellationToken;

use super::dead_letter::DeadLetters;
use super::partition::Ack;
use super::partitions::Out;
use super::record::{Key, Record};
use crate::runtime::broker::{DeadLetterError, Delivery, Message, Settled};

/// What the poller is told.
#[derive(Debug)]
pub enum Command {
    /// It was done; the ack hears when that is committed.
    Done {
        key: Key,
        tenure: u64,
        offset: i64,
        ack: Ack,
    },
    /// It is no longer worked on.
    Gone {
        key: Key,
        tenure: u64,
        record: Arc<Record>,
    },
    Resize(u16),
    /// Give out no more.
    Stop(oneshot::Sender<()>),
    /// Leave the group.
    Leave(oneshot::Sender<()>),
}

/// To the poller's thread, which sleeps when there is nothing to do.
#[derive(Clone, Debug)]
pub struct Line {
    pub commands: mpsc::Sender<Command>,
    pub thread: Thread,
}

impl Line {
    /// What is said to a poller that has ended goes nowhere.
    pub fn say(&self, command: Command) {
        if self.commands.send(command).is_ok() {
            self.thread.unpark();
        }
    }
}

pub struct Delivered {
    out: Out,
    line: Line,
    dead_letters: Arc<DeadLetters>,
}

impl Delivered {
    pub fn new(out: Out, line: Line, dead_letters: Arc<DeadLetters>) -> Self {
        Self { out, line, dead_letters }
    }
}

impl Delivery for Delivered {
    fn message(&self) -> &Message {
        &self.out.record.message
    }

    fn lost(&self) -> &CancellationToken {
        &self.out.lost
    }

    /// Answers when the commit is confirmed: a broker that is away is waited for, its slot taken.
    fn ack(&self) -> BoxFuture<'_, Settled> {
        async {
            let (ack, settled) = oneshot::channel();
            let (key, tenure, offset) = (self.out.key.clone(), self.out.tenure, self.out.record.offset);
            self.line.say(Command::Done { key, tenure, offset, ack });
            // Nobody answers any more: it was not committed.
            settled.await.unwrap_or(Settled::Lost)
        }
        .boxed()
    }

    /// Nothing is to be said to the broker: what is not committed is fetched again.
    fn release(&self) -> BoxFuture<'_, Settled> {
        let settled = if self.out.lost.is_cancelled() { Settled::Lost } else { Settled::Yes };
        async move { settled }.boxed()
    }

    fn dead_letter<'a>(&'a self, reason: &'a str) -> BoxFuture<'a, Result<(), DeadLetterError>> {
        async move { self.dead_letters.send(&self.out.record, reason, SystemTime::now()).await }.boxed()
    }
}

impl Drop for Delivered {
    fn drop(&mut self) {
        let (key, tenure, record) = (self.out.key.clone(), self.out.tenure, self.out.record.clone());
        self.line.say(Command::Gone { key, tenure, record });
    }
}
