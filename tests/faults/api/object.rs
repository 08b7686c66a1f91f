//! An object as the store keeps it: its text is made when somebody first asks for it, and once.

use std::ops::Deref;
use std::sync::OnceLock;

use serde_json::Value;

#[derive(Debug)]
pub struct Object {
    value: Value,
    whole: OnceLock<String>,
    slim: OnceLock<String>,
}

impl Object {
    pub fn new(value: Value) -> Self {
        Self { value, whole: OnceLock::new(), slim: OnceLock::new() }
    }

    /// As a client sees it; `slim`: as one that wants only metadata.
    pub fn text(&self, slim: bool) -> &str {
        if slim {
            return self.slim.get_or_init(|| {
                let metadata = &self.value["metadata"];
                format!(r#"{{"apiVersion":"meta.k8s.io/v1","kind":"PartialObjectMetadata","metadata":{metadata}}}"#)
            });
        }
        self.whole.get_or_init(|| self.value.to_string())
    }
}

impl Deref for Object {
    type Target = Value;

    fn deref(&self) -> &Value {
        &self.value
    }
}
