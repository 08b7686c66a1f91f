//! Which pools take from one queue, by whatever address they name its broker. Pure.

use std::collections::hash_map::Entry;
use std::collections::{BTreeSet, HashMap};
use std::sync::Arc;

use super::Sibling;
use crate::controller::broker::QueueKey;
use crate::controller::world::PoolKey;

/// Pools meet where they name the same queue, and the same cluster of its broker: an address of theirs is the same, or
/// both brokers say that they are the same cluster. Who meets one of a circle is in it.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Queues {
    members: HashMap<String, Vec<Member>>,
    /// What brokers said which cluster they are.
    clusters: HashMap<PoolKey, String>,
    /// Of those who are not alone.
    circles: HashMap<PoolKey, Circle>,
}

pub type Circle = Arc<[Sibling]>;

#[derive(Clone, Debug, PartialEq)]
struct Member {
    sibling: Sibling,
    addresses: BTreeSet<String>,
}

#[derive(Clone, Copy, PartialEq, Eq, Hash)]
enum Place<'a> {
    Address(&'a str),
    Cluster(&'a str),
}

impl Queues {
    /// All pools with what they take from; of `before` is known which clusters they are on.
    pub fn of(pools: impl IntoIterator<Item = (QueueKey, Sibling)>, before: &Self) -> Self {
        let mut queues = Self::default();
        for (QueueKey { queue, addresses }, sibling) in pools {
            let member = Member { sibling, addresses };
            let key = &member.sibling.key;
            // A pool that names other addresses than it did may be on another cluster now.
            if let Some(cluster) =
                before.clusters.get(key).filter(|_| before.addresses(&queue, key) == Some(&member.addresses))
            {
                queues.clusters.insert(key.clone(), cluster.clone());
            }
            queues.members.entry(queue).or_default().push(member);
        }
        for members in queues.members.values_mut() {
            members.sort_by(|a, b| a.sibling.key.cmp(&b.sibling.key));
        }
        for members in queues.members.values() {
            queues.circles.extend(circles(members, &queues.clusters));
        }
        queues
    }

    fn addresses(&self, queue: &str, key: &PoolKey) -> Option<&BTreeSet<String>> {
        let members = self.members.get(queue)?;
        members.iter().find(|member| member.sibling.key == *key).map(|member| &member.addresses)
    }

    /// Whether this pool is known as it is.
    pub fn hold(&self, key: &QueueKey, sibling: &Sibling) -> bool {
        let known = self.members.get(&key.queue).into_iter().flatten();
        known.filter(|member| member.sibling == *sibling).any(|member| member.addresses == key.addresses)
    }

    pub fn cluster(&self, key: &PoolKey) -> Option<&str> {
        self.clusters.get(key).map(String::as_str)
    }

    /// The pool's broker is this cluster.
    pub fn learn(&mut self, queue: &str, key: &PoolKey, cluster: &str) {
        let Some(members) = self.members.get(queue) else { return };
        self.clusters.insert(key.clone(), cluster.to_owned());
        for member in members {
            self.circles.remove(&member.sibling.key);
        }
        self.circles.extend(circles(members, &self.clusters));
    }

    /// All in the pool's circle, itself among them; nobody where it is alone.
    pub fn circle(&self, key: &PoolKey) -> &[Sibling] {
        self.circles.get(key).map_or(&[], |circle| circle)
    }

    /// Pools whose circle is another one there.
    pub fn differences(&self, other: &Self) -> BTreeSet<PoolKey> {
        let all = self.circles.keys().chain(other.circles.keys());
        all.filter(|key| self.circles.get(key) != other.circles.get(key)).cloned().collect()
    }
}

/// The circles of more than one among pools that name the same queue, for each who is in one.
fn circles(members: &[Member], clusters: &HashMap<PoolKey, String>) -> Vec<(PoolKey, Circle)> {
    // Each leads, over others, to the first of its circle, who leads to itself.
    let mut leads: Vec<usize> = (0..members.len()).collect();
    let mut first: HashMap<Place<'_>, usize> = HashMap::new();
    for (at, member) in members.iter().enumerate() {
        let cluster = clusters.get(&member.sibling.key).map(|cluster| Place::Cluster(cluster));
        for place in member.addresses.iter().map(|address| Place::Address(address)).chain(cluster) {
            match first.entry(place) {
                Entry::Vacant(vacant) => drop(vacant.insert(at)),
                Entry::Occupied(met) => {
                    let (mine, theirs) = (root(&mut leads, at), root(&mut leads, *met.get()));
                    leads[mine.max(theirs)] = mine.min(theirs);
                }
            }
        }
    }
    let mut circles: HashMap<usize, Vec<Sibling>> = HashMap::new();
    for (at, member) in members.iter().enumerate() {
        circles.entry(root(&mut leads, at)).or_default().push(member.sibling.clone());
    }
    let several = circles.into_values().filter(|circle| circle.len() > 1).map(Circle::from);
    several.flat_map(|circle| circle.iter().map(|one| (one.key.clone(), circle.clone())).collect::<Vec<_>>()).collect()
}

fn root(leads: &mut [usize], mut at: usize) -> usize {
    while leads[at] != at {
        leads[at] = leads[leads[at]];
        at = leads[at];
    }
    at
}

#[cfg(test)]
mod tests {
    use super::*;

    fn key(name: &str) -> PoolKey {
        PoolKey { namespace: "agents".into(), name: name.into() }
    }

    fn pool(name: &str, queue: &str, addresses: &[&str]) -> (QueueKey, Sibling) {
        let addresses = addresses.iter().map(|address| (*address).to_owned()).collect();
        (QueueKey { queue: queue.into(), addresses }, Sibling { key: key(name), created: None, weight: 1.0 })
    }

    fn names<'a>(queues: &'a Queues, name: &str) -> Vec<&'a str> {
        queues.circle(&key(name)).iter().map(|sibling| sibling.key.name.as_str()).collect()
    }

    #[test]
    fn pools_meet_where_an_address_and_the_queue_are_the_same() {
        let pools = [
            pool("a", "tasks", &["kafka-1:9092", "kafka-2:9092"]),
            pool("b", "tasks", &["kafka-2:9092", "kafka-3:9092"]),
            pool("c", "tasks", &["kafka-3:9092"]),
            pool("d", "tasks", &["kafka-4:9092"]),
            pool("e", "other", &["kafka-1:9092"]),
        ];
        let queues = Queues::of(pools, &Queues::default());
        for name in ["a", "b", "c"] {
            assert_eq!(names(&queues, name), ["a", "b", "c"], "{name}, by way of those between");
        }
        assert!(names(&queues, "d").is_empty() && names(&queues, "e").is_empty());
    }

    #[test]
    fn pools_that_name_one_cluster_by_other_addresses_meet_once_it_is_known() {
        let pools = || [pool("a", "tasks", &["inside:9092"]), pool("b", "tasks", &["outside:9094"])];
        let mut queues = Queues::of(pools(), &Queues::default());
        queues.learn("tasks", &key("a"), "cluster-1");
        assert!(names(&queues, "a").is_empty(), "of the other it is not known");
        let before = queues.clone();
        queues.learn("tasks", &key("b"), "cluster-1");
        assert_eq!((names(&queues, "a"), names(&queues, "b")), (vec!["a", "b"], vec!["a", "b"]));
        assert_eq!(before.differences(&queues), BTreeSet::from([key("a"), key("b")]));
        let again = Queues::of(pools(), &queues);
        assert_eq!(names(&again, "a"), ["a", "b"], "it stays known when the lists are made anew");
        queues.learn("tasks", &key("b"), "cluster-2");
        assert!(names(&queues, "a").is_empty(), "it is another cluster now");
    }

    #[test]
    fn a_pool_that_moves_is_not_taken_to_be_where_it_was() {
        let mut queues = Queues::of([pool("a", "tasks", &["x:1"]), pool("b", "tasks", &["y:1"])], &Queues::default());
        queues.learn("tasks", &key("a"), "cluster-1");
        queues.learn("tasks", &key("b"), "cluster-1");
        let moved = Queues::of([pool("a", "tasks", &["x:1"]), pool("b", "tasks", &["z:1"])], &queues);
        assert!(names(&moved, "b").is_empty());
        assert_eq!((moved.cluster(&key("a")), moved.cluster(&key("b"))), (Some("cluster-1"), None));
    }
}
