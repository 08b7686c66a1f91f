//! What the documents claim is so: manifests are accepted, commands and links exist, every name that users
//! can meet is explained.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

mod commands;
mod manifests;
mod simulate;
mod text;
mod vocabulary;
