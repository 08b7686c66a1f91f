//! Every name that others can see: labels, annotations, environment variables, condition types and
//! reasons. They are API: a changed name breaks dashboards, scripts or workers.

/// Who owns the fields that the operator applies.
pub const FIELD_MANAGER: &str = "awp";

/// Prefix of all labels and annotations of ours.
pub const DOMAIN: &str = "agentworkers.io";

pub mod labels {
    /// On the Deployment and its pods: the pool's name.
    pub const POOL: &str = "agentworkers.io/pool";
    /// On everything the operator creates, with [`MANAGED_BY_AWP`].
    pub const MANAGED_BY: &str = "app.kubernetes.io/managed-by";
    pub const MANAGED_BY_AWP: &str = "awp";
}

pub mod annotations {
    /// Read by the ReplicaSet controller: pods with a lower cost go first.
    pub const DELETION_COST: &str = "controller.kubernetes.io/pod-deletion-cost";
    /// Read by the cluster autoscaler; `"false"` keeps a node with the pod.
    pub const SAFE_TO_EVICT: &str = "cluster-autoscaler.kubernetes.io/safe-to-evict";
    /// Read by Karpenter; `"true"` keeps a node with the pod.
    pub const DO_NOT_DISRUPT: &str = "karpenter.sh/do-not-disrupt";
    /// On a pool, by its owner: `"true"` writes its readings to the operator's log.
    pub const RECORD: &str = "agentworkers.io/record";
    /// On the pool's ConfigMap: which prefetch workers were started with, and when.
    pub const PREFETCH_HISTORY: &str = "agentworkers.io/prefetch-history";
}

/// Objects the operator creates beside the Deployment, by the pool's name.
pub mod owned {
    /// What may change while workers run: prefetch, dead-letter target.
    pub fn config_map(pool: &str) -> String {
        format!("{pool}-awp")
    }

    /// Public keys for control requests; optional to its readers.
    pub fn control_keys(pool: &str) -> String {
        format!("{pool}-awp-keys")
    }
}

/// The environment of a worker container.
pub mod env {
    pub const POOL: &str = "AWP_POOL";
    pub const NAMESPACE: &str = "AWP_NAMESPACE";
    pub const POD: &str = "AWP_POD";
    /// Not ours alone: many charts set it the same way.
    pub const POD_IP: &str = "POD_IP";
    pub const BROKER: &str = "AWP_BROKER";
    pub const URI: &str = "AWP_URI";
    pub const QUEUE: &str = "AWP_QUEUE";
    pub const QUEUE_URL: &str = "AWP_QUEUE_URL";
    pub const REGION: &str = "AWP_REGION";
    /// Only where the pool names a server of its own.
    pub const ENDPOINT: &str = "AWP_ENDPOINT";
    /// Kafka: host:port of brokers, topics, and what a consumer is set up with, as the pool's section says it.
    pub const BOOTSTRAP_SERVERS: &str = "AWP_BOOTSTRAP_SERVERS";
    pub const TOPICS: &str = "AWP_TOPICS";
    pub const GROUP: &str = "AWP_GROUP";
    pub const OFFSET_RESET: &str = "AWP_OFFSET_RESET";
    pub const ISOLATION: &str = "AWP_ISOLATION";
    pub const SASL_MECHANISM: &str = "AWP_SASL_MECHANISM";
    pub const TLS: &str = "AWP_TLS";
    pub const PREFETCH: &str = "AWP_PREFETCH";
    pub const CREDENTIALS_DIR: &str = "AWP_CREDENTIALS_DIR";
    pub const TLS_DIR: &str = "AWP_TLS_DIR";
    pub const STATUS_ADDRESS: &str = "AWP_STATUS_ADDRESS";
    pub const DEAD_LETTER_EXCHANGE: &str = "AWP_DEAD_LETTER_EXCHANGE";
    pub const DEAD_LETTER_ROUTING_KEY: &str = "AWP_DEAD_LETTER_ROUTING_KEY";
    /// SQS: a queue's URL; Kafka: a topic.
    pub const DEAD_LETTER: &str = "AWP_DEAD_LETTER";
    pub const TASK_TIMEOUT: &str = "AWP_TASK_TIMEOUT";
    pub const CONTROL_KEYS_DIR: &str = "AWP_CONTROL_KEYS_DIR";

    /// What a pod template must not set by itself: a value of the user's would lie to the worker.
    pub const OWNED: [&str; 25] = [
        POOL,
        NAMESPACE,
        POD,
        BROKER,
        URI,
        QUEUE,
        QUEUE_URL,
        REGION,
        ENDPOINT,
        BOOTSTRAP_SERVERS,
        TOPICS,
        GROUP,
        OFFSET_RESET,
        ISOLATION,
        SASL_MECHANISM,
        TLS,
        PREFETCH,
        CREDENTIALS_DIR,
        TLS_DIR,
        STATUS_ADDRESS,
        DEAD_LETTER_EXCHANGE,
        DEAD_LETTER_ROUTING_KEY,
        DEAD_LETTER,
        TASK_TIMEOUT,
        CONTROL_KEYS_DIR,
    ];
}

/// What the operator adds to a worker's pod.
pub mod pod {
    /// Prefix of our volumes; a pod template must not use it.
    pub const VOLUME_PREFIX: &str = "awp-";
    pub const CREDENTIALS_VOLUME: &str = "awp-credentials";
    pub const TLS_VOLUME: &str = "awp-tls";
    pub const CONTROL_KEYS_VOLUME: &str = "awp-control-keys";
    /// Our volumes are mounted below this folder; a pod template must not mount there.
    pub const MOUNT_ROOT: &str = "/var/run/awp";
    pub const CREDENTIALS_MOUNT: &str = "/var/run/awp/credentials";
    pub const TLS_MOUNT: &str = "/var/run/awp/tls";
    pub const CONTROL_KEYS_MOUNT: &str = "/var/run/awp/control-keys";
}

/// Keys in the Secrets a pool names, unless it renames them.
pub mod secret_keys {
    pub const USERNAME: &str = "username";
    pub const PASSWORD: &str = "password";
    pub const CA: &str = "ca.crt";
    pub const CERTIFICATE: &str = "tls.crt";
    pub const KEY: &str = "tls.key";
    pub const AWS_ACCESS_KEY_ID: &str = crate::aws::ACCESS_KEY_ID;
    pub const AWS_SECRET_ACCESS_KEY: &str = crate::aws::SECRET_ACCESS_KEY;
    pub const AWS_SESSION_TOKEN: &str = crate::aws::SESSION_TOKEN;
}

/// Condition types.
pub mod conditions {
    /// The last decision is applied, also at zero and on hold.
    pub const READY: &str = "Ready";
    /// A new generation or a rollout is under way; never ordinary scaling.
    pub const RECONCILING: &str = "Reconciling";
    /// A person must act.
    pub const STALLED: &str = "Stalled";
    pub const BACKLOG_KNOWN: &str = "BacklogKnown";
    pub const QUEUE_SHARED: &str = "QueueShared";
    pub const SCALE_DOWN_BLIND: &str = "ScaleDownBlind";
    pub const MEMORY_LIMIT_MISSING: &str = "MemoryLimitMissing";
    pub const SCALING_LIMITED: &str = "ScalingLimited";
    pub const DRAINING: &str = "Draining";
    pub const NO_DEAD_LETTER_TARGET: &str = "NoDeadLetterTarget";
    /// What the pool wants declared is there; absent where it wants nothing.
    pub const TOPOLOGY_DECLARED: &str = "TopologyDeclared";
}

/// Reasons of conditions and events: `PascalCase`, static.
pub mod reasons {
    // Ready=True
    pub const APPLIED: &str = "Applied";
    pub const MANUAL_HOLD: &str = "ManualHold";
    pub const PAUSED: &str = "Paused";
    pub const RECOMMENDING: &str = "Recommending";

    // Ready=False: the spec or its template
    pub const INVALID_SPEC: &str = "InvalidSpec";
    pub const TEMPLATE_INVALID: &str = "TemplateInvalid";
    pub const MEMORY_TOO_SMALL: &str = "MemoryTooSmall";

    // Ready=False: what the spec refers to
    pub const SECRET_NOT_FOUND: &str = "SecretNotFound";
    pub const SECRET_FORBIDDEN: &str = "SecretForbidden";
    pub const AWS_IDENTITY_FORBIDDEN: &str = "AwsIdentityForbidden";
    pub const SECRET_INCOMPLETE: &str = "SecretIncomplete";
    pub const TARGET_NOT_FOUND: &str = "TargetNotFound";

    // Ready=False: someone else is there
    pub const NAME_TAKEN: &str = "NameTaken";
    pub const TARGET_TAKEN: &str = "TargetTaken";
    pub const AUTOSCALER_PRESENT: &str = "AutoscalerPresent";

    // Reconciling, Stalled
    pub const PROGRESSING: &str = "Progressing";
    pub const ROLLING_OUT: &str = "RollingOut";

    // BacklogKnown
    pub const READ: &str = "Read";
    pub const NOT_READ_YET: &str = "NotReadYet";

    // TopologyDeclared
    pub const DECLARED: &str = "Declared";

    // events
    pub const SCALED_UP: &str = "ScaledUp";
    pub const SCALED_DOWN: &str = "ScaledDown";
    pub const HOLD_STARTED: &str = "HoldStarted";
    pub const HOLD_ENDED: &str = "HoldEnded";
    pub const FALLBACK_STARTED: &str = "FallbackStarted";
    pub const FALLBACK_ENDED: &str = "FallbackEnded";
}
