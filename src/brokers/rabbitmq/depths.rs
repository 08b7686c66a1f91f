//! How full the dead-letter queues of a watch's pools are: from the list where one is read, else by a look now and
//! then.

use std::collections::HashSet;

use super::watch::Watch;
use super::watched::{Depths, Watched};
use crate::scaling::observation::Counted;

/// Seconds between two looks at a dead-letter queue.
const PERIOD: f64 = 60.0;

impl Watch {
    /// The queues that hold dead letters of watched ones.
    pub fn dead_letter_queues(&self) -> HashSet<String> {
        let table = self.lock();
        table.queues.values().flat_map(Watched::dead_letter_queues).map(str::to_owned).collect()
    }

    /// What a list said of them.
    pub fn set_depths(&self, depths: Depths) {
        self.lock().depths = depths;
    }

    /// Those to be looked at now: none where a list is read, which is where some pool has workers.
    pub fn due_depths(&self) -> Vec<String> {
        let now = self.clock.now();
        let mut table = self.lock();
        if self.listable && table.queues.values().any(Watched::has_workers) {
            return Vec::new();
        }
        let all: HashSet<String> =
            table.queues.values().flat_map(Watched::dead_letter_queues).map(str::to_owned).collect();
        table.depths_looked.retain(|queue, _| all.contains(queue));
        let is_due = |queue: &String| table.depths_looked.get(queue).is_none_or(|at| now.since(*at) > PERIOD);
        let due: Vec<String> = all.into_iter().filter(is_due).collect();
        table.depths_looked.extend(due.iter().map(|queue| (queue.clone(), now)));
        due
    }

    /// What a look said of one; `None`: it is not there.
    pub fn set_depth(&self, queue: String, depth: Option<Counted>) {
        match depth {
            Some(depth) => self.lock().depths.insert(queue, depth),
            None => self.lock().depths.remove(&queue),
        };
        self.update_all(|_, _, _| {});
    }
}
