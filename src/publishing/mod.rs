//! Putting tasks on a queue so that each is certainly there: `awp publish`. A broker is a folder
//! beside this file that implements [`Target`].

pub mod kafka;
pub mod rabbitmq;
pub mod sqs;
pub mod tasks;

use futures::future::BoxFuture;

use tasks::Task;

/// Where tasks are put.
pub trait Target: Send + Sync {
    /// Makes what is missing, and a place for dead letters; answers what was found otherwise than
    /// wanted and left so, in sentences for people.
    fn declare(&self) -> BoxFuture<'_, anyhow::Result<Vec<String>>>;
    /// Puts all of them there; `progress` hears the ids of those that are certainly there.
    fn send<'a>(&'a self, tasks: &'a [Task], progress: &'a mut Progress<'_>) -> BoxFuture<'a, Sent>;
    fn close(self: Box<Self>) -> BoxFuture<'static, ()>;
}

pub type Progress<'a> = dyn FnMut(&[String]) + Send + 'a;

/// How each task ended.
#[derive(Debug, Default)]
pub struct Sent {
    /// Certainly there.
    pub confirmed: Vec<String>,
    /// Returned: nothing takes what is sent there.
    pub unroutable: usize,
    /// Refused; it may be full.
    pub refused: usize,
    /// No word of them: there or not.
    pub unknown: usize,
    /// Not even tried, after something failed.
    pub unsent: usize,
    /// What ended the publishing early.
    pub failure: Option<String>,
}

impl Sent {
    pub fn complete(&self) -> bool {
        self.unroutable + self.refused + self.unknown + self.unsent == 0
    }
}
