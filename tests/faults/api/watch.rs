//! Watch streams: events in order, late, cut, silent, or gone.

use std::time::Duration;

use futures::{Stream, stream};
use serde_json::json;
use tokio::time::{Instant, sleep_until};

use super::request::Asked;
use super::serve::status;
use super::store::{Change, No, What};
use crate::world::{Shared, World, lock};

/// How often a stream says how far it is, milliseconds; the real server: about a minute.
const BOOKMARK: u64 = 60_000;

struct Watch {
    world: Shared,
    asked: Asked,
    version: u64,
    ends: u64,
    bookmark: u64,
    /// Nothing is told before something earlier was.
    told: u64,
    /// The last cut this stream has survived.
    cuts: u64,
    over: bool,
    /// The connection is lost and nobody knows.
    dead: bool,
}

/// How many of the streams that fall silent stay so until the client loses patience.
const DEADLY: f64 = 0.3;

pub fn stream(
    world: &Shared,
    asked: &Asked,
    version: u64,
    seconds: u64,
) -> impl Stream<Item = Result<String, std::io::Error>> + Send + use<> {
    let (now, cuts) = {
        let mut world = lock(world);
        world.note(|| format!("  {asked} from {version}"));
        (world.now(), world.weather.cuts)
    };
    let watch = Watch {
        world: world.clone(),
        asked: asked.clone(),
        version,
        ends: now + seconds * 1000,
        bookmark: now + BOOKMARK,
        told: 0,
        cuts,
        over: false,
        dead: false,
    };
    stream::unfold(watch, |mut watch| async move { watch.next().await.map(|line| (line, watch)) })
}

/// What a stream does next.
enum Next {
    Tell { at: u64, line: String },
    Wait { until: u64 },
    End,
    Break,
}

impl Watch {
    async fn next(&mut self) -> Option<Result<String, std::io::Error>> {
        if self.over {
            return None;
        }
        loop {
            let (start, news, next) = {
                let world = self.world.clone();
                let mut world = lock(&world);
                let news = world.store.news.clone();
                (world.started, news, self.look(&mut world))
            };
            let at = |milliseconds| start + Duration::from_millis(milliseconds);
            match next {
                Next::Tell { at: told, line } => {
                    if at(told) > Instant::now() {
                        sleep_until(at(told)).await;
                    }
                    return Some(Ok(line));
                }
                Next::Wait { until } => {
                    let changed = news.notified();
                    tokio::select! { biased; () = changed => (), () = sleep_until(at(until)) => () }
                }
                Next::End => return None,
                Next::Break => {
                    self.over = true;
                    return Some(Err(std::io::Error::other("connection reset by peer")));
                }
            }
        }
    }

    fn look(&mut self, world: &mut World) -> Next {
        let now = world.now();
        if self.cuts != world.weather.cuts {
            self.cuts = world.weather.cuts;
            return if world.net.chance(0.5) { Next::End } else { Next::Break };
        }
        if !self.dead && world.weather.silent.contains(&self.asked.kind) && !world.weather.calm(&self.asked) {
            if world.net.chance(DEADLY) {
                self.dead = true;
                world.deaf_since = Some(now);
                world.note(|| format!("  {} falls silent for good", self.asked));
            } else {
                return Next::Wait { until: now + 1000 };
            }
        }
        if self.dead {
            // Not even the end of the stream arrives.
            return Next::Wait { until: now + 600_000 };
        }
        if self.version < world.store.compacted && !world.store.since(self.asked.kind, self.version).is_empty() {
            self.over = true;
            let gone = status(&No::new(410, "Expired", "too old resource version"));
            return Next::Tell { at: now, line: line("ERROR", &gone.to_string()) };
        }
        let lag = world.weather.lag(&self.asked, &mut world.net);
        for change in world.store.since(self.asked.kind, self.version) {
            self.version = change.version;
            if let Some(line) = told(change, &self.asked) {
                self.told = self.told.max(change.at + lag).max(now);
                return Next::Tell { at: self.told, line };
            }
        }
        if now >= self.ends {
            return Next::End;
        }
        if now >= self.bookmark {
            self.bookmark = now + BOOKMARK;
            self.version = world.store.version;
            let mark = json!({ "apiVersion": self.asked.kind.api_version(), "kind": self.asked.kind.name(),
                "metadata": { "resourceVersion": self.version.to_string() } });
            return Next::Tell { at: now, line: line("BOOKMARK", &mark.to_string()) };
        }
        Next::Wait { until: self.ends.min(self.bookmark) }
    }
}

/// A change as this watch sees it: an object that begins or ceases to be selected comes or goes.
fn told(change: &Change, asked: &Asked) -> Option<String> {
    let was = change.before.as_ref().is_some_and(|before| asked.selector.matches(before));
    let is = change.what == What::Written && asked.selector.matches(&change.object);
    let what = match (was, is) {
        (false, true) => "ADDED",
        (true, true) => "MODIFIED",
        (true, false) => "DELETED",
        (false, false) => return None,
    };
    Some(line(what, change.object.text(asked.slim)))
}

fn line(what: &str, object: &str) -> String {
    format!("{{\"type\":\"{what}\",\"object\":{object}}}\n")
}
