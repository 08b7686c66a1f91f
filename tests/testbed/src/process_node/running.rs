//! One run of a container: its process, its probes, its hooks.

use std::fs::OpenOptions;
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;
use std::process::Stdio;
use std::sync::Arc;
use std::time::Duration;

use k8s_openapi::api::core::v1::Container;
use tokio::sync::mpsc;
use tokio::task::AbortHandle;
use tokio::time::Instant;

use super::checks::Target;
use super::context::Context;
use super::launcher::Group;
use super::probes::{self, Finding};
use super::setup::Prepared;
use super::stragglers;

/// What SIGTERM gets at least after a stop hook.
const AFTER_HOOK: Duration = Duration::from_secs(2);

/// What a run reports, and which run.
#[derive(Debug)]
pub struct Event {
    pub id: String,
    pub news: News,
}

#[derive(Debug)]
pub enum News {
    Exited(i32),
    Probe(Finding),
}

pub struct Running {
    /// Unique among all runs of the node.
    pub id: String,
    group: Group,
    target: Arc<Target>,
    probes: AbortHandle,
    hook: Option<AbortHandle>,
}

impl Running {
    /// Starts the main process with its output appended to `log`; an error says why there is no process.
    pub async fn start(
        context: &Context,
        container: Container,
        prepared: Prepared,
        ip: &str,
        log: &Path,
        reporter: mpsc::UnboundedSender<Event>,
    ) -> Result<Self, String> {
        let Prepared { mut recipe, command, args } = prepared;
        let run = context.launcher.next_run();
        recipe.env.insert(stragglers::VARIABLE.to_owned(), run.clone());
        let line = recipe.command(&command, &args)?;
        let process = context
            .launcher
            .spawn(line, output(log).map_err(|error| format!("cannot write {}: {error}", log.display()))?)
            .await
            .map_err(|error| format!("cannot start {}: {error}", container.name))?;
        let begun = Instant::now();
        let group = process.group;
        let id = format!("process://{run}");
        let target = Arc::new(Target {
            ip: ip.to_owned(),
            container,
            recipe,
            launcher: context.launcher.clone(),
            http: context.http.clone(),
        });
        let probes = tokio::spawn(probe(target.clone(), begun, id.clone(), reporter.clone())).abort_handle();
        let exit_id = id.clone();
        tokio::spawn(async move {
            let code = process.exit_code().await;
            // The end of its main process is the end of a container.
            stragglers::kill(&run).await;
            // Nobody listens when the pod is gone already.
            let _ = reporter.send(Event { id: exit_id, news: News::Exited(code) });
        });
        Ok(Self { id, group, target, probes, hook: None })
    }

    /// The stop hook within the grace period, then SIGTERM. The caller kills at its end.
    pub fn stop(&mut self, grace: Duration) {
        let Some(hook) = self.target.container.lifecycle.clone().and_then(|lifecycle| lifecycle.pre_stop) else {
            self.group.terminate();
            return;
        };
        let (target, group) = (self.target.clone(), self.group);
        // A hook that takes all of the time must leave some to the process, which is killed at the end of it.
        let grace = grace.saturating_sub(AFTER_HOOK).max(grace / 2);
        let task = tokio::spawn(async move {
            // Whatever became of the hook, the container is asked to stop.
            let _ = tokio::time::timeout(grace, target.hook(&hook)).await;
            group.terminate();
        });
        self.hook = Some(task.abort_handle());
    }

    pub fn kill(&self) {
        self.group.kill();
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        self.probes.abort();
        if let Some(hook) = &self.hook {
            hook.abort();
        }
    }
}

/// The start hook, then the probes, reported until the run is over.
async fn probe(target: Arc<Target>, begun: Instant, id: String, reporter: mpsc::UnboundedSender<Event>) {
    let report = |finding| {
        // Nobody listens when the pod is gone already.
        let _ = reporter.send(Event { id: id.clone(), news: News::Probe(finding) });
    };
    let hook = target.container.lifecycle.as_ref().and_then(|lifecycle| lifecycle.post_start.as_ref());
    if let Some(hook) = hook
        && !target.hook(hook).await
    {
        report(Finding::Unhealthy(None));
        return;
    }
    probes::watch(&target, begun, report).await;
}

fn output(log: &Path) -> std::io::Result<[Stdio; 2]> {
    let file = OpenOptions::new().append(true).create(true).mode(0o600).open(log)?;
    Ok([file.try_clone()?.into(), file.into()])
}
