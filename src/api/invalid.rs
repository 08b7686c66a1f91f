//! Why a spec cannot be worked with.

use std::fmt;

/// A field and what to write there instead. Never the value: it may be a secret.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Invalid {
    /// `spec.scaling.startWithin`
    pub field: String,
    pub remedy: String,
}

impl Invalid {
    pub(crate) fn new(field: impl Into<String>, remedy: impl Into<String>) -> Self {
        Self { field: field.into(), remedy: remedy.into() }
    }
}

impl fmt::Display for Invalid {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.field, self.remedy)
    }
}

impl std::error::Error for Invalid {}
