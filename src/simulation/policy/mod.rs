//! Who decides how many workers there are: our law, what others do, and one who knows the future.

pub mod foresight;
pub mod law;
pub mod shapes;

use super::cluster::{Cluster, Mode, Pod};

/// What a policy asks for at one decision.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Decided {
    /// Workers that the queue asks for, before any bound.
    pub wanted: u32,
    /// Workers there should be, those that drain or terminate included.
    pub replicas: u32,
    pub orders: Vec<Order>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Order {
    Create(u32),
    /// It finishes what it has; removed by a later order.
    Drain(u32),
    Resume(u32),
    /// It finishes what it has and leaves.
    DrainAndLeave(u32),
    /// SIGTERM, and SIGKILL after the grace period.
    Terminate(u32),
    /// Gone at once.
    Remove(u32),
}

pub trait Policy {
    fn decide(&mut self, cluster: &Cluster<'_>) -> Decided;

    /// How many tasks one worker holds.
    fn slots(&self) -> u32;

    /// In the cluster each change wakes the policy again, so that it sees at once what came of its orders.
    fn woken_by_changes(&self) -> bool {
        false
    }
}

/// Carries out orders. Answers whether any of them was news.
pub fn act(cluster: &mut Cluster<'_>, orders: &[Order]) -> bool {
    let mut news = false;
    for order in orders {
        news |= match *order {
            Order::Create(count) => {
                cluster.create(count);
                count > 0
            }
            Order::Drain(id) => cluster.drain(id),
            Order::Resume(id) => cluster.resume(id),
            Order::DrainAndLeave(id) => {
                cluster.drain_and_leave(id);
                true
            }
            Order::Terminate(id) => {
                cluster.terminate(id);
                true
            }
            Order::Remove(id) => {
                cluster.kill(id);
                true
            }
        };
    }
    news
}

/// Workers that take tasks or will.
fn active<'a>(cluster: &'a Cluster<'_>) -> Vec<&'a Pod> {
    cluster.pods().iter().filter(|pod| pod.mode == Mode::Active).collect()
}
