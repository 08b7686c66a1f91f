//! What `kubectl get awp` shows.

use serde_json::{Value, json};

struct Column {
    name: &'static str,
    kind: &'static str,
    path: &'static str,
    description: &'static str,
    /// Shown only with `-o wide`.
    wide: bool,
}

const fn column(name: &'static str, kind: &'static str, path: &'static str, description: &'static str) -> Column {
    Column { name, kind, path, description, wide: false }
}

const fn wide(name: &'static str, kind: &'static str, path: &'static str, description: &'static str) -> Column {
    Column { wide: true, ..column(name, kind, path, description) }
}

const COLUMNS: [Column; 11] = [
    column("Backlog", "integer", ".status.backlog.ready", "Tasks that wait for a worker"),
    column("In-Flight", "integer", ".status.backlog.inFlight", "Tasks in process"),
    column("Wanted", "integer", ".status.decision.wanted", "Workers the queue asks for"),
    column("Granted", "integer", ".status.decision.granted", "What the limits leave of it"),
    column("Replicas", "integer", ".status.replicas", "Granted workers and those that still finish their tasks"),
    column("Ready", "integer", ".status.readyReplicas", "Workers that are ready"),
    column("Bound-By", "string", ".status.decision.boundBy", "What decided the number"),
    column("Hold", "integer", ".spec.scaling.holdReplicas", "Manual hold; awp release ends it"),
    column("Age", "date", ".metadata.creationTimestamp", "Since the pool was created"),
    wide("Trust", "string", ".status.backlog.trust", "Known, Stale or Unknown"),
    wide("Reason", "string", ".status.decision.reason", "Why, in one line"),
];

/// For `additionalPrinterColumns`.
pub fn columns() -> Value {
    let entry = |column: &Column| {
        json!({
            "name": column.name,
            "type": column.kind,
            "jsonPath": column.path,
            "description": column.description,
            "priority": i32::from(column.wide),
        })
    };
    COLUMNS.iter().map(entry).collect()
}
