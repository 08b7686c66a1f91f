//! The pools of a schedule.

use serde_json::{Value, json};

use crate::api::NAMESPACE;
use crate::dice::Dice;

/// What a pool is, and how its workers are. Times in milliseconds.
#[derive(Clone, Debug)]
pub struct PoolPlan {
    pub name: String,
    /// Its Deployment belongs to somebody else.
    pub target: bool,
    /// Workers answer for themselves.
    pub reports: bool,
    /// The broker tells what is in flight.
    pub management: bool,
    /// `None` = from memory: four, and fewer after workers ran out of it.
    pub prefetch: Option<u64>,
    pub min: u64,
    pub max: u64,
    pub window: u64,
    pub start_within: u64,
    pub task: (u64, u64),
    pub boot: (u64, u64),
    pub image: u64,
    pub hold: Option<u64>,
}

impl PoolPlan {
    /// An ordinary pool: our own Deployment, workers that report.
    pub fn ordinary(name: &str) -> Self {
        Self {
            name: name.to_owned(),
            target: false,
            reports: true,
            management: true,
            prefetch: Some(4),
            min: 0,
            max: 10,
            window: 10_000,
            start_within: 60_000,
            task: (1_000, 15_000),
            boot: (500, 3_000),
            image: 1,
            hold: None,
        }
    }

    pub fn drawn(name: &str, dice: &mut Dice) -> Self {
        let (reports, management) =
            dice.one_of(&[(true, true), (true, true), (true, false), (false, true), (false, false)]);
        let target = dice.chance(0.3);
        // Of a target's pods without an endpoint nobody could tell what they hold.
        let prefetch = dice.one_of(&[Some(1), Some(2), Some(4), None]).or(Some(4).filter(|_| target && !reports));
        let min = dice.one_of(&[0, 0, 0, 1, 2]);
        let boot = dice.one_of(&[(300, 1_500), (500, 3_000), (2_000, 12_000)]);
        Self {
            target,
            reports,
            management,
            prefetch,
            min,
            max: min + dice.between(1, 8),
            window: dice.one_of(&[0, 5_000, 10_000, 20_000]),
            start_within: dice.one_of(&[1_000, 60_000, 60_000, 60_000, 60_000, 90_000, 90_000, 90_000]),
            task: (500, dice.one_of(&[2_000, 10_000, 25_000])),
            boot,
            ..Self::ordinary(name)
        }
    }

    /// Somebody can see that a worker is idle, so the pool can shrink.
    pub fn sighted(&self) -> bool {
        self.reports || self.management
    }

    pub fn deployment(&self) -> String {
        if self.target { format!("target-{}", self.name) } else { self.name.clone() }
    }

    pub fn manifest(&self) -> Value {
        let mut broker = json!({
            "uri": "amqp://rabbitmq.messaging:5672/agents",
            "credentials": { "secretRef": { "name": "broker" } },
            "queues": [format!("tasks-{}", self.name)],
        });
        if self.management {
            broker["managementUri"] = json!("http://rabbitmq.messaging:15672");
        }
        let worker = if self.target {
            json!({ "targetRef": { "apiVersion": "apps/v1", "kind": "Deployment", "name": self.deployment() } })
        } else {
            json!({ "template": { "spec": self.pod_spec() } })
        };
        let mut spec = json!({
            "broker": { "rabbitmq": broker }, "worker": worker,
            "scaling": {
                "minReplicas": self.min, "maxReplicas": self.max,
                "startWithin": format!("{}ms", self.start_within), "scaleDownWindow": format!("{}ms", self.window),
                "taskDuration": "5s",
            },
            "deadLetter": { "queue": "failed" },
        });
        if let Some(tasks) = self.prefetch {
            spec["prefetch"] = json!({ "fixed": tasks });
        }
        if self.reports {
            spec["worker"]["statusPort"] = json!(9464);
        }
        if let Some(hold) = self.hold {
            spec["scaling"]["holdReplicas"] = json!(hold);
        }
        json!({ "metadata": { "name": self.name, "namespace": NAMESPACE }, "spec": spec })
    }

    fn pod_spec(&self) -> Value {
        json!({ "containers": [{
            "name": "agent", "image": format!("example/agent:{}", self.image),
            "resources": { "limits": { "memory": "2Gi" } } }] })
    }

    /// The Deployment of a target as its owner made it.
    pub fn target_manifest(&self, replicas: u64) -> Value {
        let labels = json!({ "app": self.deployment() });
        json!({
            "metadata": { "name": self.deployment(), "namespace": NAMESPACE },
            "spec": {
                "replicas": replicas, "selector": { "matchLabels": labels },
                "template": { "metadata": { "labels": labels }, "spec": self.pod_spec() },
            },
        })
    }
}
