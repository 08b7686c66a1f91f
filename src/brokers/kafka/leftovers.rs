//! A look into what seems to be left at the end of partitions: tasks, or what no consumer is ever given.

use std::collections::HashMap;

use futures::future::join_all;

use super::Isolation;
use super::belief::Place;
use super::lag::Look;
use super::round::{Reader, by_topic};
use crate::kafka::message::{Batch, Fetch};

impl Reader {
    /// Whether a consumer would be given a record of what these partitions seem to have. What cannot be
    /// found out is left out.
    pub async fn examine(&self, isolation: Isolation, suspects: &[(Place, Look)]) -> Vec<(Place, Look, bool)> {
        let mut of_leader: HashMap<i32, Vec<(Place, Look)>> = HashMap::new();
        for (place, look) in suspects {
            let leader = self.atlas.leaders(&place.0).get(&place.1).copied().unwrap_or(-1);
            if leader >= 0 && self.nodes.trouble(leader).is_none() {
                of_leader.entry(leader).or_default().push((place.clone(), *look));
            }
        }
        let requests = of_leader.iter().map(async |(leader, suspects)| {
            let from = suspects.iter().map(|(place, look)| (place.clone(), begin(*look)));
            let answer = self.cluster.ask(*leader, &Fetch { isolation, topics: by_topic(from) }).await;
            let answers = answer.unwrap_or_default().into_iter();
            let found: HashMap<Place, Vec<Batch>> =
                answers.filter_map(|(topic, (partition, batches))| Some(((topic, partition), batches.ok()?))).collect();
            let of = |(place, look): &(Place, Look)| Some((place.clone(), *look, visible(found.get(place)?, *look)?));
            suspects.iter().filter_map(of).collect::<Vec<_>>()
        });
        join_all(requests).await.into_iter().flatten().collect()
    }
}

/// Where a consumer that has committed goes on.
fn begin(look: Look) -> i64 {
    look.committed.unwrap_or(look.start).max(look.start)
}

/// `None` = the batches do not tell: they do not reach the end, or are in a format that is not read.
fn visible(batches: &[Batch], look: Look) -> Option<bool> {
    let mine = || batches.iter().filter(|batch| batch.last >= begin(look));
    if mine().any(|batch| batch.visible) {
        return Some(true);
    }
    mine().next_back().filter(|last| last.last + 1 >= look.end).map(|_| false)
}
