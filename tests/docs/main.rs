//! What the documents claim is so: manifests are accepted, commands and links exist, every name that users
//! can meet is explained.

mod commands;
mod manifests;
mod text;
mod vocabulary;
