//! One pod from its binding to its end: carries out the plans of its `Lifecycle` and reports what happened.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, Instant};

use k8s_openapi::api::core::v1::PodStatus;
use k8s_openapi::jiff::Timestamp;
use kube::ResourceExt;
use tokio::sync::{broadcast, mpsc, watch};

use super::addresses::Address;
use super::container::Retry;
use super::context::Context;
use super::fields::Facts;
use super::folder;
use super::lifecycle::Lifecycle;
use super::mounted::Mounted;
use super::objects::Change;
use super::order::{self, Order, WRITE_AGAIN};
use super::plan::Action;
use super::publish::{self, Outcome};
use super::running::{Event, News, Running};
use super::setup::Place;
use super::status;

pub struct PodAgent {
    context: Arc<Context>,
    order: Order,
    orders: watch::Receiver<Order>,
    changes: broadcast::Receiver<Arc<Change>>,
    events: mpsc::UnboundedReceiver<Event>,
    reporter: mpsc::UnboundedSender<Event>,
    life: Lifecycle,
    running: Vec<Option<Running>>,
    facts: Facts,
    folder: PathBuf,
    mounted: Mounted,
    /// When the volumes are to be looked at again.
    refresh_at: Option<Instant>,
    published: PodStatus,
    publish_again: Option<Instant>,
    /// Kept until the last process is gone.
    _address: Option<Address>,
}

/// Runs the pod until it is gone.
pub async fn run(context: Arc<Context>, orders: watch::Receiver<Order>) {
    let pod = orders.borrow().pod.clone();
    if status::is_over(&pod) {
        order::remove_when_deleted(&context, orders).await;
        return;
    }
    let host_network = pod.spec.as_ref().and_then(|spec| spec.host_network).unwrap_or_default();
    let address = if host_network { None } else { context.addresses.take() };
    let mut agent = PodAgent::new(context, orders, address);
    if let Err(error) = agent.make_folders() {
        tracing::error!(%error, folder = %agent.folder.display(), "cannot make the folder of a pod");
    }
    agent.live().await;
    agent.kill_all().await;
    // The watchdog removes what could not be removed here.
    let _ = std::fs::remove_dir_all(&agent.folder);
}

impl PodAgent {
    fn new(context: Arc<Context>, mut orders: watch::Receiver<Order>, address: Option<Address>) -> Self {
        let order = orders.borrow_and_update().clone();
        let pod = order.pod.clone();
        let folder = context.pods.join(pod.uid().unwrap_or_default());
        let mut life = Lifecycle::new(&pod, context.restart_backoff);
        let published = pod.status.clone().unwrap_or_default();
        status::restore(&mut life, &published, Timestamp::now());
        let (reporter, events) = mpsc::unbounded_channel();
        Self {
            facts: Facts {
                pod_ip: address.as_ref().map_or_else(|| "127.0.0.1".to_owned(), |address| address.ip.to_string()),
                host_ip: "127.0.0.1".to_owned(),
                node_name: context.name.clone(),
                allocatable: Context::resources(),
            },
            running: life.containers.iter().map(|_| None).collect(),
            mounted: Mounted::new(folder.join("volumes")),
            changes: context.objects.changes(),
            refresh_at: Some(Instant::now()),
            publish_again: None,
            _address: address,
            context,
            order,
            orders,
            events,
            reporter,
            life,
            folder,
            published,
        }
    }

    fn place(&self) -> Place<'_> {
        let (context, pod, facts) = (&self.context, &self.order.pod, &self.facts);
        Place { context, pod, facts, folder: &self.folder, mounted: &self.mounted }
    }

    fn make_folders(&self) -> std::io::Result<()> {
        folder::private_folder(&self.place().home())?;
        folder::private_folder(&self.place().temporary())
    }

    /// One turn per piece of news, until the pod is gone.
    async fn live(&mut self) {
        loop {
            self.obey();
            if self.order.gone {
                return;
            }
            self.refresh_volumes().await;
            let wake = self.carry_out_plan().await;
            self.publish().await;
            if self.life.is_ending() && !self.life.any_running() && self.delete().await {
                return;
            }
            self.wait_for_news(wake).await;
        }
    }

    /// Takes note of a deletion.
    fn obey(&mut self) {
        let meta = &self.order.pod.metadata;
        let now = Instant::now();
        if meta.deletion_timestamp.is_some() {
            let grace = meta.deletion_grace_period_seconds.unwrap_or_default().max(0) as u64;
            self.life.end(Duration::from_secs(grace), now);
        }
        if let Some(limit) = self.order.evict_within {
            self.life.end(limit.min(self.life.grace), now);
        }
    }

    async fn refresh_volumes(&mut self) {
        let now = Instant::now();
        if self.life.is_ending() || self.refresh_at.is_none_or(|at| at > now) {
            return;
        }
        let refreshed = self.mounted.refresh(&self.context, &self.order.pod, &self.facts, now).await;
        self.refresh_at = match &refreshed {
            Ok(()) => self.mounted.next_renewal(),
            Err(_) => Some(now + self.context.retry),
        };
        self.life.held = match refreshed {
            Err(blocked) if !self.mounted.complete => Some(blocked.message),
            _ => None,
        };
    }

    /// Does what is to be done now, and answers when to look again.
    async fn carry_out_plan(&mut self) -> Option<Instant> {
        loop {
            let plan = self.life.plan(Instant::now());
            if plan.actions.is_empty() {
                return plan.wake;
            }
            for action in plan.actions {
                match action {
                    Action::Start(index) => self.start(index).await,
                    Action::Stop(index, grace) => {
                        if let Some(running) = &mut self.running[index] {
                            running.stop(grace);
                        }
                    }
                    Action::Kill(index) => {
                        if let Some(running) = &mut self.running[index] {
                            running.kill();
                        }
                    }
                }
            }
        }
    }

    async fn start(&mut self, index: usize) {
        let spec = self.life.containers[index].spec.clone();
        let prepared = match self.place().prepare(&spec).await {
            Ok(prepared) => prepared,
            Err(blocked) => {
                let retry = match blocked.reason {
                    "ErrImageNeverPull" => Retry::Never,
                    _ => Retry::At(Instant::now() + self.context.retry),
                };
                self.life.blocked(index, blocked.reason, blocked.message, retry);
                return;
            }
        };
        let pod = &self.order.pod;
        let log = self.context.log_path(&pod.namespace().unwrap_or_default(), &pod.name_any(), &spec.name);
        let started =
            Running::start(&self.context, spec, prepared, &self.facts.pod_ip, &log, self.reporter.clone()).await;
        match started {
            Ok(running) => {
                self.life.running(index, running.id.clone(), Timestamp::now(), Instant::now());
                self.running[index] = Some(running);
            }
            Err(message) => self.life.start_failed(index, message, Timestamp::now(), Instant::now()),
        }
    }

    fn take(&mut self, event: &Event) {
        let Some(index) =
            self.running.iter().position(|running| running.as_ref().is_some_and(|running| running.id == event.id))
        else {
            return; // A word from a run that is over.
        };
        match event.news {
            News::Exited(code) => {
                self.running[index] = None;
                self.life.exited(index, code, Timestamp::now(), Instant::now());
            }
            News::Probe(finding) => self.life.found(index, finding),
        }
    }

    async fn publish(&mut self) {
        let now = Instant::now();
        let status = status::of(&self.order.pod, &self.life, &self.facts, &self.published, Timestamp::now());
        let waits = self.publish_again.is_some_and(|at| at > now);
        if waits || self.publish_again.is_none() && status == self.published {
            return;
        }
        self.publish_again = match publish::status(&self.context, &self.order.pod, &status).await {
            Outcome::Failed => Some(now + WRITE_AGAIN),
            Outcome::Done | Outcome::Gone => None,
        };
        self.published = status;
    }

    /// Whether the object is gone.
    async fn delete(&mut self) -> bool {
        let gone = publish::delete(&self.context, &self.order.pod).await != Outcome::Failed;
        self.publish_again = (!gone).then(|| Instant::now() + WRITE_AGAIN);
        gone
    }

    async fn wait_for_news(&mut self, wake: Option<Instant>) {
        let wake = [wake, self.refresh_at, self.publish_again].into_iter().flatten().min();
        let alarm = async {
            match wake {
                Some(at) => tokio::time::sleep_until(at.into()).await,
                None => std::future::pending().await,
            }
        };
        tokio::select! {
            Some(event) = self.events.recv() => self.take(&event),
            changed = self.orders.changed() => match changed {
                Ok(()) => {
                    let order = self.orders.borrow_and_update().clone();
                    // The downward API in volumes follows labels and annotations.
                    if order.pod.metadata.labels != self.order.pod.metadata.labels
                        || order.pod.metadata.annotations != self.order.pod.metadata.annotations
                    {
                        self.refresh_at = Some(Instant::now());
                    }
                    self.order = order;
                }
                Err(_) => self.order.gone = true,
            },
            change = self.changes.recv() => self.reference_changed(change.ok().as_deref()),
            () = alarm => {}
        }
    }

    /// Nothing stands for more changes than could be followed.
    fn reference_changed(&mut self, change: Option<&Change>) {
        let (near, concerns) = match change {
            Some(change) => (
                self.order.pod.metadata.namespace.as_ref() == Some(&change.1),
                Mounted::concerns(&self.order.pod, change),
            ),
            None => (true, true),
        };
        if near {
            self.life.references_changed();
        }
        if concerns {
            self.refresh_at = Some(Instant::now());
        }
    }

    /// Without grace; returns when all processes are gone.
    async fn kill_all(&mut self) {
        for running in self.running.iter_mut().flatten() {
            running.kill();
        }
        while self.running.iter().any(Option::is_some) {
            let Some(event) = self.events.recv().await else { return };
            self.take(&event);
        }
    }
}
