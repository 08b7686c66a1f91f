//! What can happen in the world by itself.

use crate::action::Action;
use crate::cluster::pods::Step;
use crate::queue::Trouble;
use crate::weather::Weather;
use crate::world::World;

#[derive(Clone, Debug)]
pub enum Happening {
    Deployment(String),
    ReplicaSet(String),
    Pod(String, Step),
    TaskDone {
        pod: String,
        task: u64,
    },
    /// Tasks of so many milliseconds, from and to, reach the pool's queue.
    Publish {
        pool: String,
        tasks: u64,
        from: u64,
        to: u64,
    },
    /// The broker's statistics of a queue are taken anew.
    Emit(String),
    /// A reader looks at its queue.
    Look(u64),
    Weather(Box<Weather>),
    CutWatches,
    Compact,
    Broker(String, Trouble),
    /// The pool's workers answer no status request.
    Mute(String, bool),
    Act(Action),
    Operator(bool),
    /// A story looks whether all is as it tells.
    Check(&'static str, fn(&World) -> bool),
    /// Nothing is wrong any more from here on.
    FaultsEnd,
    /// The judge looks whether all is as it should be in the end.
    Inspect,
}

/// Happenings are ordered by their time and number alone.
impl PartialEq for Happening {
    fn eq(&self, _: &Self) -> bool {
        true
    }
}

impl Eq for Happening {}

impl PartialOrd for Happening {
    fn partial_cmp(&self, other: &Self) -> Option<std::cmp::Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for Happening {
    fn cmp(&self, _: &Self) -> std::cmp::Ordering {
        std::cmp::Ordering::Equal
    }
}

impl World {
    pub fn happen(&mut self, what: Happening) {
        match what {
            Happening::Deployment(name) => self.sync_deployment(&name),
            Happening::ReplicaSet(name) => self.sync_replica_set(&name),
            Happening::Pod(name, step) => self.step_pod(&name, step),
            Happening::TaskDone { pod, task } => self.task_done(&pod, task),
            Happening::Publish { pool, tasks, from, to } => self.publish(&pool, tasks, from, to),
            Happening::Emit(pool) => self.emit(&pool),
            Happening::Look(reader) => self.look(reader),
            Happening::Weather(weather) => {
                self.note(|| format!("WEATHER {weather:?}"));
                self.weather = Weather { cuts: self.weather.cuts, ..*weather };
                self.store.news.notify_waiters();
            }
            Happening::CutWatches => {
                self.note(|| "WATCHES CUT".into());
                self.weather.cuts += 1;
                self.store.news.notify_waiters();
            }
            Happening::Compact => {
                self.note(|| "HISTORY COMPACTED".into());
                self.store.compact();
            }
            Happening::Broker(pool, trouble) => {
                self.note(|| format!("BROKER of {pool}: {trouble:?}"));
                if let Some(queue) = self.queues.get_mut(&pool) {
                    queue.trouble = trouble;
                }
            }
            Happening::Mute(pool, mute) => {
                self.note(|| format!("WORKERS of {pool} mute: {mute}"));
                if let Some(queue) = self.queues.get_mut(&pool) {
                    queue.mute = mute;
                }
            }
            Happening::Act(action) => self.act(action),
            Happening::Operator(start) => {
                self.note(|| format!("OPERATOR {}", if start { "starts" } else { "dies" }));
                self.operator = Some(start);
                self.judge.untold.clear();
            }
            Happening::Check(what, holds) => {
                let holds = holds(self);
                self.judge.expect(holds, || format!("not so: {what}"));
            }
            Happening::FaultsEnd => self.faults_end(),
            Happening::Inspect => self.inspect(),
        }
    }

    fn faults_end(&mut self) {
        self.note(|| "FAULTS END".into());
        self.weather = Weather { cuts: self.weather.cuts, ..Weather::default() };
        self.store.news.notify_waiters();
        for queue in self.queues.values_mut() {
            queue.trouble = Trouble::None;
            queue.mute = false;
        }
        self.judge.faults_ended = Some(self.now());
    }
}
