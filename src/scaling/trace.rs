//! What a decision was made of. Collected only where somebody asks: the ordinary decision keeps
//! nothing of it.

use super::caps::{self, Ceiling};
use super::fleet::{Fleet, Member};
use super::law::{Demand, Terms};
use super::observation::Partitions;
use super::settings::Settings;

#[derive(Clone, Debug, Default)]
pub(super) struct Trace {
    /// `None` while the queue is not known: the law was not asked.
    pub law: Option<Law>,
    /// The hard caps, whether or not they hold anything down now.
    pub ceilings: Vec<Ceiling>,
    /// One per observed worker, in the same order.
    pub members: Vec<Member>,
    pub active: u32,
    pub absent: u32,
    pub slots: f64,
    /// Slots that `maxConcurrency` leaves.
    pub concurrency_left: Option<f64>,
}

/// The law's question and answer.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Law {
    pub terms: Terms,
    pub demand: Demand,
    /// B
    pub ready: f64,
    /// n was told by some source; else workers that show nothing were taken for full.
    pub in_flight_known: bool,
}

impl Trace {
    pub fn see(
        &mut self,
        fleet: &Fleet<'_>,
        settings: &Settings,
        single_active: bool,
        partitions: Option<Partitions>,
        refused: bool,
    ) {
        self.ceilings = caps::ceilings(settings, fleet, single_active, partitions, refused);
        self.members.clone_from(&fleet.members);
        self.active = fleet.active();
        self.absent = fleet.absent;
        self.slots = fleet.slots();
        self.concurrency_left = caps::concurrency_left(settings, fleet);
    }
}
