//! Everything outside the controller: one state, one queue of what is to happen, one clock.

use std::cmp::Reverse;
use std::collections::{BTreeMap, BinaryHeap};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, SystemTime};

use awp::clock::Clock;
use k8s_openapi::jiff;
use tokio::sync::Notify;
use tokio::time::{Instant, sleep_until};

use crate::api::object::Object;
use crate::api::request::Asked;
use crate::api::store::{Kind, No, Store};
use crate::cluster::pods::Pod;
use crate::dice::Dice;
use crate::happening::Happening;
use crate::judge::Judge;
use crate::log::Log;
use crate::pool::PoolPlan;
use crate::queue::{Queue, Reader};
use crate::weather::Weather;

/// Unix seconds at which every schedule begins.
pub const EPOCH: u64 = 1_764_000_000;

pub type Shared = Arc<Mutex<World>>;

pub fn lock(world: &Shared) -> MutexGuard<'_, World> {
    world.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Milliseconds of virtual time as Kubernetes writes them.
pub fn rfc3339(at: u64) -> String {
    jiff::Timestamp::from_second((EPOCH + at / 1000).cast_signed()).unwrap().to_string()
}

pub struct World {
    pub started: Instant,
    pub store: Store,
    /// The cluster's and the workers' chance, and the network's.
    pub dice: Dice,
    pub net: Dice,
    pub weather: Weather,
    pub plans: BTreeMap<String, PoolPlan>,
    pub pods: BTreeMap<String, Pod>,
    pub queues: BTreeMap<String, Queue>,
    pub readers: BTreeMap<u64, Reader>,
    pub judge: Judge,
    pub log: Log,
    /// When a watch last died without its client's knowing.
    pub deaf_since: Option<u64>,
    /// The operator is to be started (true) or killed.
    pub operator: Option<bool>,
    due: BinaryHeap<Reverse<(u64, u64, Happening)>>,
    count: u64,
    alarm: Arc<Notify>,
}

impl World {
    pub fn new(seed: u64, keep_log: bool) -> Self {
        let mut dice = Dice::new(seed);
        Self {
            started: Instant::now(),
            store: Store::default(),
            net: dice.split(),
            dice,
            weather: Weather::default(),
            plans: BTreeMap::new(),
            pods: BTreeMap::new(),
            queues: BTreeMap::new(),
            readers: BTreeMap::new(),
            judge: Judge::default(),
            log: Log::new(keep_log),
            deaf_since: None,
            operator: None,
            due: BinaryHeap::new(),
            count: 0,
            alarm: Arc::default(),
        }
    }

    /// Milliseconds since the schedule began.
    pub fn now(&self) -> u64 {
        self.started.elapsed().as_millis() as u64
    }

    /// A clock as an operator that starts now has it.
    pub fn clock(&self) -> Clock {
        Clock::starting_at(SystemTime::UNIX_EPOCH + Duration::from_secs(EPOCH) + self.started.elapsed())
    }

    pub fn note(&mut self, line: impl FnOnce() -> String) {
        if self.log.keep {
            self.log.add(self.now(), &line());
        }
    }

    pub fn after(&mut self, milliseconds: u64, what: Happening) {
        let at = self.now() + milliseconds;
        self.count += 1;
        self.due.push(Reverse((at, self.count, what)));
        self.alarm.notify_one();
    }

    /// Soon, but not at once: a step of some controller or node.
    pub fn soon(&mut self, from: u64, to: u64, what: Happening) {
        let delay = self.dice.between(from, to);
        self.after(delay, what);
    }

    /// A number unlike any before.
    pub fn fresh(&mut self) -> u64 {
        self.count += 1;
        self.count
    }

    /// The operator's write arrives.
    pub fn write(&mut self, asked: &Asked, sent: u64) -> Result<Arc<Object>, No> {
        let now = self.now();
        let before = self.store.get(asked.kind, &asked.name).cloned();
        let answer = self.store.write(asked, now);
        match &answer {
            Ok(_) if asked.kind == Kind::Deployment => {
                self.judge_write(asked, sent, before.as_deref().map(|before| &**before));
                self.wake_deployment(&asked.name);
            }
            Ok(_) if asked.kind == Kind::ConfigMap => {
                self.judge_map(asked, sent, before.as_deref().map(|before| &**before));
                // Garbage is collected sooner or later.
                self.soon(10, 2000, Happening::Deployment("nothing, but orphans".into()));
            }
            Ok(_) => (),
            Err(no) => self.note(|| format!("  {asked}: {} {}", no.code, no.message)),
        }
        answer
    }

    /// Carries out what is due; answers when to come back.
    fn advance(&mut self) -> Option<Instant> {
        while let Some(Reverse((at, ..))) = self.due.peek() {
            if *at > self.now() {
                return Some(self.started + Duration::from_millis(*at));
            }
            if let Some(Reverse((.., what))) = self.due.pop() {
                self.happen(what);
            }
            if self.operator.is_some() {
                return Some(Instant::now());
            }
        }
        None
    }
}

/// Lets the world go on until the schedule is over; starts and kills the operator when it is time.
pub async fn drive(world: &Shared, mut operator: impl FnMut(bool)) {
    let alarm = lock(world).alarm.clone();
    loop {
        let (next, command, over) = {
            let mut world = lock(world);
            let next = world.advance();
            (next, world.operator.take(), world.judge.over())
        };
        if let Some(start) = command {
            operator(start);
            continue;
        }
        if over {
            return;
        }
        let next = next.unwrap_or_else(|| Instant::now() + Duration::from_secs(3600));
        tokio::select! { biased; () = alarm.notified() => (), () = sleep_until(next) => () }
    }
}
