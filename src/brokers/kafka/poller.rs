//! The life of a poller: one task for one cluster and login, from the first subscription to the last.

use std::sync::Arc;
use std::time::Duration;

use futures::future::join_all;
use tokio::sync::Notify;
use tokio_util::sync::CancellationToken;

use super::belief::{Looks, Lost, Notes};
use super::identity::Identity;
use super::round::{Ask, Asks, Reader};
use super::start::{self, AGAIN, Start};
use super::watch::{Watch, Wishes};
use super::{Source, Wanted, errors};
use crate::brokers::backoff::Backoff;
use crate::brokers::{BrokerStatus, Gaps, Interest, QueueFacts, Subscription, Trouble};
use crate::clock::Clock;
use crate::kafka::{Code, Error};
use crate::scaling::observation::{QueueReading, Unknown};

/// Seconds between two looks; with more than 1,000 groups so much more.
const PERIOD: f64 = 1.0;
const GROUPS_PER_SECOND: f64 = 1000.0;
/// How much slower it is when no pool can grow.
const RELAXED: f64 = 5.0;
/// Seconds between attempts on a cluster that does not answer, first and most.
const RETRY: (f64, f64) = (0.5, 15.0);
/// Seconds after which a commit that failed is tried again.
const COMMIT_RETRY: f64 = 30.0;

/// Reads one cluster as long as it lives: dropping it ends its task and connections.
#[derive(Debug)]
pub struct Poller {
    address: String,
    watch: Arc<Watch>,
    end: CancellationToken,
}

impl Poller {
    /// Starts the task; needs a tokio runtime.
    pub fn start(identity: &Identity, clock: Clock, jitter: fn() -> f64) -> Arc<Self> {
        let watch = Arc::new(Watch::new(clock));
        let end = CancellationToken::new();
        match Reader::new(identity, clock, jitter) {
            Err(why) => watch.set_broken(Some(&why)),
            Ok(reader) => {
                let task = Task { reader, watch: watch.clone(), jitter };
                let ended = end.clone();
                tokio::spawn(async move { ended.run_until_cancelled(task.run()).await });
            }
        }
        Arc::new(Self { address: identity.address(), watch, end })
    }

    pub fn subscribe(self: &Arc<Self>, source: Source, wake: Arc<Notify>) -> Box<dyn Subscription> {
        let Source { wanted, dead_letter_topic, .. } = source;
        let id = self.watch.subscribe(&wanted, dead_letter_topic, wake);
        Box::new(Subscribed { poller: self.clone(), wanted, id })
    }

    pub fn status(&self) -> BrokerStatus {
        let (subscriptions, why) = self.watch.status();
        let trouble = why.into_iter().map(|why| Trouble { side: "kafka", why }).collect();
        BrokerStatus { kind: "kafka", address: self.address.clone(), subscriptions, trouble }
    }
}

impl Drop for Poller {
    fn drop(&mut self) {
        self.end.cancel();
    }
}

struct Task {
    reader: Reader,
    watch: Arc<Watch>,
    jitter: fn() -> f64,
}

impl Task {
    async fn run(mut self) {
        let mut backoff = Backoff::new(RETRY.0, RETRY.1);
        loop {
            let begun = self.watch.clock.now();
            let groups = self.watch.wishes();
            let wait = match self.round(&groups).await {
                Ok(()) => {
                    backoff.succeeded();
                    self.watch.set_broken(None);
                    let relaxed = if groups.iter().all(|(_, wishes)| wishes.relaxed) { RELAXED } else { 1.0 };
                    let period = (groups.len() as f64 / GROUPS_PER_SECOND).max(PERIOD) * relaxed;
                    begun.plus(period * (0.9 + (self.jitter)() * 0.2)).since(self.watch.clock.now())
                }
                Err(why) => {
                    backoff.failed(self.watch.clock.now(), (self.jitter)());
                    let seconds = backoff.wait(self.watch.clock.now());
                    let broker = self.reader.identity().address();
                    tracing::warn!(broker, reason = why.reason, retry_seconds = seconds, "{}", why.message);
                    self.watch.set_broken(Some(&why));
                    tokio::time::sleep(Duration::from_secs_f64(seconds)).await;
                    continue;
                }
            };
            let wait = Duration::try_from_secs_f64(wait).unwrap_or_default();
            let _ = tokio::time::timeout(wait, self.watch.news.notified()).await;
        }
    }

    async fn round(&mut self, groups: &[(Wanted, Wishes)]) -> Result<(), Unknown> {
        if groups.is_empty() {
            return Ok(());
        }
        let ask = |(wanted, wishes): &(Wanted, Wishes)| Ask { wanted: wanted.clone(), members: wishes.by_worker };
        let (dead_letters, due) = self.watch.dead_letters();
        let asks = Asks { groups: groups.iter().map(ask).collect(), dead_letters, due };
        let answers = self.reader.look(&asks).await?;
        self.watch.learned(self.reader.cluster_id(), answers.depths);
        // Beside each other: what one group still needs to be asked holds up no other.
        let taken = groups.iter().zip(answers.groups).map(async |((wanted, wishes), looks)| match looks {
            Ok(looks) => self.take(wanted, *wishes, looks).await,
            Err(why) => drop(self.watch.update(wanted, |watched| watched.belief.failed(why))),
        });
        join_all(taken).await;
        Ok(())
    }

    /// Keeps the group's position where that is due, looks into what seems to be left over, and only
    /// then lets it be known.
    async fn take(&self, wanted: &Wanted, wishes: Wishes, mut looks: Looks) {
        if wanted.keeps_position && !wishes.workers && !wishes.unsaid {
            self.keep_position(wanted, wishes, &mut looks).await;
        }
        let suspects = self.watch.update_quietly(wanted, |watched| watched.belief.suspects(&looks, wishes.workers));
        let suspects = suspects.unwrap_or_default();
        let examined =
            if suspects.is_empty() { Vec::new() } else { self.reader.examine(wanted.isolation, &suspects).await };
        self.watch.update(wanted, |watched| {
            if wishes.workers || !watched.kept.begun {
                watched.kept.ends = looks.partitions.iter().map(|(place, look)| (place.clone(), look.end)).collect();
                watched.kept.begun = true;
            }
            watched.belief.looked(looks);
            for (place, look, visible) in examined {
                watched.belief.examined(place, look, visible);
            }
        });
    }

    /// Commits where the group goes on, if it has no members and that is due; `looks` then has it.
    async fn keep_position(&self, wanted: &Wanted, wishes: Wishes, looks: &mut Looks) {
        let now = self.watch.clock.now();
        let due = self.watch.update_quietly(wanted, |watched| {
            let since = watched.kept_at.map_or(f64::INFINITY, |at| now.since(at));
            let waits = watched.position_gap.is_some() && since < COMMIT_RETRY;
            let new = wishes.new && !watched.replayed;
            match watched.belief.lost(looks) {
                _ if waits => (Start::Nothing, Notes::new()),
                Lost::Nothing => (start::start(wanted, looks, &watched.kept, new, since >= AGAIN), Notes::new()),
                Lost::Known(offsets, notes) => (Start::Again(offsets), notes),
                Lost::Unknown => (Start::Nothing, Notes::new()),
            }
        });
        let Some((due, notes)) = due else { return };
        let offsets = match due {
            Start::Nothing => return,
            Start::Refused => {
                self.watch.update_quietly(wanted, |watched| watched.refused = true);
                return;
            }
            Start::Again(offsets) => {
                tracing::warn!(group = wanted.group, "its commits are gone, committing where it stood");
                Ok(offsets)
            }
            Start::At(offsets) => Ok(offsets),
            Start::From(time) => self.reader.offsets_for(looks, time).await,
        };
        let done = match offsets {
            Ok(offsets) => self.reader.commit(&wanted.group, &offsets, &notes).await.map(|()| offsets),
            Err(error) => Err(error),
        };
        self.watch.update_quietly(wanted, |watched| {
            watched.kept_at = Some(now);
            match done {
                Ok(offsets) => {
                    watched.position_gap = None;
                    watched.replayed |= wanted.start_from.is_some();
                    watched.refused = false;
                    for (place, offset) in offsets {
                        if let Some(look) = looks.partitions.get_mut(&place) {
                            look.committed = Some(offset);
                        }
                    }
                }
                // Somebody is in the group, and keeps its position.
                Err(Error::Refused(Code::UNKNOWN_MEMBER_ID)) => {
                    watched.position_gap = None;
                    watched.refused = wanted.start_from.is_some() && wishes.new && !watched.replayed;
                }
                Err(error) => {
                    watched.position_gap = Some(errors::position(&error, &wanted.group, self.reader.identity()));
                }
            }
        });
    }
}

/// One pool's subscription; it keeps the poller alive.
#[derive(Debug)]
struct Subscribed {
    poller: Arc<Poller>,
    wanted: Wanted,
    id: u64,
}

impl Subscription for Subscribed {
    fn latest(&self) -> Option<QueueReading> {
        self.poller.watch.reading(&self.wanted, self.id)
    }

    fn facts(&self) -> Option<QueueFacts> {
        self.poller.watch.facts(&self.wanted)
    }

    fn gaps(&self) -> Gaps {
        self.poller.watch.gaps(&self.wanted, self.id)
    }

    fn set_interest(&self, interest: Interest) {
        self.poller.watch.set_interest(&self.wanted, self.id, interest);
    }
}

impl Drop for Subscribed {
    fn drop(&mut self) {
        self.poller.watch.unsubscribe(&self.wanted, self.id);
    }
}
