//! The management side of a poller: asks what is due, and tells the watch what it learned.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;
use std::time::Duration;

use tokio::time::{sleep, timeout};

use super::errors;
use super::http::{Failure, Http};
use super::identity::Identity;
use super::lists::{self, Channel, Connection, Queue, Whoami};
use super::schedule::{Schedule, Todo};
use super::topology::Topology;
use super::watch::Watch;
use crate::brokers::backoff::Backoff;
use crate::net::percent;
use crate::scaling::observation::{Counted, CountedByWorker, Unknown};
use crate::scaling::time::Timestamp;

/// Seconds that a channel's statistics may be old when fetched: they are collected every 5 s.
const STATISTICS_AGE: f64 = 5.5;

/// Seconds between attempts after failures, first and most.
const RETRY: (f64, f64) = (1.0, 60.0);

/// Asks what is wanted when it is due, for ever.
pub async fn run(watch: &Watch, identity: &Identity, jitter: fn() -> f64) {
    let mut backoff = Backoff::new(RETRY.0, RETRY.1);
    let mut reader = None;
    loop {
        let ended = match &mut reader {
            None => Reader::new(watch, identity).map(|made| reader = Some(made)),
            Some(reader) => reader.step().await,
        };
        match ended {
            Ok(()) => backoff.succeeded(),
            Err(why) => {
                let now = watch.clock.now();
                backoff.failed(now, jitter());
                let seconds = backoff.wait(now);
                tracing::warn!(broker = identity.uri, reason = why.reason, retry_seconds = seconds, "{}", why.message);
                watch.set_unlisted(Some(&errors::retried(why, RETRY.1)));
                tokio::select! {
                    () = sleep(Duration::from_secs_f64(seconds)) => {}
                    // After a restart the management API comes seconds after AMQP does.
                    () = watch.connected.notified() => backoff.succeeded(),
                }
            }
        }
    }
}

struct Reader<'a> {
    watch: &'a Watch,
    http: Http,
    user: &'a str,
    vhost: String,
    schedule: Schedule,
    topology: Topology,
    /// Whether the login's tags show the channels of all users.
    sees_everybody: bool,
}

impl<'a> Reader<'a> {
    fn new(watch: &'a Watch, identity: &'a Identity) -> Result<Self, Unknown> {
        Ok(Self {
            watch,
            http: Http::new(identity)?.within(watch.load.clone(), watch.clock),
            user: &identity.username,
            vhost: identity.address()?.vhost,
            schedule: Schedule::default(),
            topology: Topology::default(),
            sees_everybody: false,
        })
    }

    /// Waits until something is due, or asks for all that is.
    async fn step(&mut self) -> Result<(), Unknown> {
        let asked = self.watch.clock.now();
        let wants = self.watch.wants();
        let wait = self.schedule.wait(wants, asked);
        if wait > 0.0 {
            let _ = timeout(Duration::from_secs_f64(wait), self.watch.management_news.notified()).await;
            return Ok(());
        }
        let todo = self.schedule.todo(wants, asked);
        if todo.tags {
            let whoami: Whoami = self.http.get("/api/whoami").await.map_err(|failure| self.explain(failure))?;
            self.sees_everybody = whoami.sees_everybody();
        }
        if todo.alarms {
            self.look_for_alarms(asked).await?;
        }
        let started = self.watch.clock.now();
        if todo.list {
            self.read_list(todo).await?;
        }
        self.schedule.done(todo, asked, self.watch.clock.now().since(started));
        if todo.workers {
            self.read_workers().await?;
        }
        self.watch.set_round(self.watch.clock.now().since(asked));
        Ok(())
    }

    async fn read_list(&mut self, todo: Todo) -> Result<(), Unknown> {
        let queues = {
            let columns = if todo.settings { lists::QUEUE_SETTINGS } else { lists::QUEUE_COUNTS };
            let path = format!("/api/queues/{}?{columns}", percent::encode(&self.vhost));
            let asked = self.watch.clock.now();
            let queues: Vec<Queue> = self.http.get(&path).await.map_err(|failure| self.explain(failure))?;
            self.watch.set_unlisted(None);
            self.take_counts(&queues, asked);
            queues
        };
        if todo.settings {
            self.take_settings(&queues, todo.topology).await?;
        }
        Ok(())
    }

    fn take_counts(&self, queues: &[Queue], asked: Timestamp) {
        let rows: HashMap<&str, &Queue> = queues.iter().map(|queue| (queue.name.as_str(), queue)).collect();
        let depth = |queue: String| {
            let count = rows.get(queue.as_str())?.depth()?;
            Some((queue, Counted { count, at: asked }))
        };
        self.watch.set_depths(self.watch.dead_letter_queues().into_iter().filter_map(depth).collect());
        self.watch.update_all(|name, watched, _| {
            watched.belief.listed(rows.get(name).map(|queue| queue.row()), asked);
        });
    }

    /// Dead-letter targets and what else the queues' own settings say.
    async fn take_settings(&mut self, queues: &[Queue], again: bool) -> Result<(), Unknown> {
        if again {
            self.watch.topology_was_read();
        }
        let names = self.watch.names();
        let watched: Vec<&Queue> = queues.iter().filter(|queue| names.contains(&queue.name)).collect();
        let found = self.topology.facts(&mut self.http, &self.vhost, &watched, again).await;
        let facts = match found {
            Ok(facts) => {
                self.watch.set_facts_gap(None);
                facts
            }
            Err(Failure::Broker(why)) => return Err(why),
            Err(failure) => {
                self.watch.set_facts_gap(Some(self.explain(failure)));
                HashMap::new()
            }
        };
        let now = self.watch.clock.now();
        let single: HashMap<&str, bool> =
            watched.iter().map(|queue| (queue.name.as_str(), queue.has_single_active_consumer())).collect();
        self.watch.update_all(|name, watched, _| {
            watched.settings_tried = Some(now);
            if let Some(facts) = facts.get(name)
                && watched.facts.as_ref() != Some(facts)
            {
                watched.facts = Some(facts.clone());
                watched.wake_all();
            }
            if let Some(single) = single.get(name) {
                watched.belief.single_active_consumer(*single);
            }
        });
        Ok(())
    }

    async fn read_workers(&mut self) -> Result<(), Unknown> {
        let gap = if self.sees_everybody {
            let asked = self.watch.clock.now();
            match self.unacked_by_connection().await {
                Ok(Some(counts)) => {
                    let counted = Arc::new(CountedByWorker { counts, at: asked.plus(-STATISTICS_AGE) });
                    self.watch.update_all(|_, watched, _| {
                        if watched.wants_workers() {
                            watched.belief.counted_by_worker(counted.clone());
                        }
                    });
                    None
                }
                Ok(None) => None,
                Err(Failure::Broker(why)) => return Err(why),
                Err(Failure::StatisticsOff) => Some(errors::statistics_disabled()),
                Err(failure) => Some(self.explain(failure)),
            }
        } else {
            Some(errors::monitoring_missing(self.user))
        };
        self.watch.set_by_worker_gap(gap);
        Ok(())
    }

    async fn unacked_by_connection(&mut self) -> Result<Option<BTreeMap<String, u64>>, Failure> {
        let vhost = percent::encode(&self.vhost);
        // Channels first: then the connection of each is in the list that follows.
        let channels: Vec<Channel> =
            self.http.get(&format!("/api/vhosts/{vhost}/channels?{}", lists::CHANNELS)).await?;
        let connections: Vec<Connection> =
            self.http.get(&format!("/api/vhosts/{vhost}/connections?{}", lists::CONNECTIONS)).await?;
        Ok(lists::unacked_by_connection(&channels, &connections))
    }

    async fn look_for_alarms(&mut self, asked: Timestamp) -> Result<(), Unknown> {
        match self.http.is_healthy("/api/health/checks/alarms").await {
            Ok(healthy) => self.watch.update_all(|_, watched, _| watched.belief.alarm(!healthy, asked)),
            Err(Failure::Broker(why)) => return Err(why),
            // Older brokers lack the check: an alarm then stays unseen.
            Err(_) => {}
        }
        Ok(())
    }

    fn explain(&self, failure: Failure) -> Unknown {
        failure.explain(self.user, &self.vhost, self.http.address())
    }
}
