//! The wishes of a watch's pools: which are due, and what became of them.

use super::declare::{Declare, Wish};
use super::watch::Watch;
use crate::brokers::Declaration;
use crate::scaling::time::Timestamp;

impl Watch {
    /// Seconds until a wish is due; `None` if there is none.
    pub fn next_wish(&self) -> Option<f64> {
        let now = self.clock.now();
        let table = self.lock();
        let wishes = table.queues.values().flat_map(|watched| watched.subscribers.values());
        let due = wishes.filter_map(|subscriber| subscriber.wish.as_ref()?.due());
        due.map(|due| due.since(now).max(0.0)).min_by(f64::total_cmp)
    }

    /// Queue, subscription and wish.
    pub fn due_wishes(&self) -> Vec<(String, u64, Declare)> {
        let now = self.clock.now();
        let table = self.lock();
        let is_due = |wish: &&Wish| wish.due().is_some_and(|due| due <= now);
        let of_queue = |(queue, watched): (&String, &super::watched::Watched)| {
            let due = watched.subscribers.iter().filter_map(|(id, subscriber)| {
                let wish = subscriber.wish.as_deref().filter(is_due)?;
                Some((queue.clone(), *id, wish.declare.clone()))
            });
            due.collect::<Vec<_>>()
        };
        table.queues.iter().flat_map(of_queue).collect()
    }

    /// An attempt for one subscription ended.
    pub fn wish_ended(&self, queue: &str, id: u64, declaration: Declaration) {
        let now = self.clock.now();
        let mut table = self.lock();
        let ready = declaration == Declaration::Ready;
        table.topology_changed |= ready;
        let Some(watched) = table.queues.get_mut(queue) else { return };
        let Some(subscriber) = watched.subscribers.get_mut(&id) else { return };
        let wake = subscriber.wake.clone();
        if subscriber.wish.as_mut().is_some_and(|wish| wish.ended(declaration, now)) {
            wake.notify_one();
        }
        if ready {
            // It may have been created just now: look at once, at the queue and at its settings.
            watched.due = Timestamp::default();
            watched.settings_tried = None;
        }
        drop(table);
        self.amqp_news.notify_one();
        self.management_news.notify_one();
    }
}
