//! Amazon Web Services, as readers, workers and publishers share it: who asks, where, and what can go wrong.
//!
//! | file | what it does |
//! |---|---|
//! | `address` | **pure**: what a queue's URL tells |
//! | `client` | a client for SQS with the identity, the endpoint and the patience that are wanted |
//! | `failure` | an error of the client as one of a few kinds |
//! | `login` | where credentials come from |
//! | [`message`] | how a task travels as a message |

mod address;
mod client;
mod failure;
mod login;
pub mod message;

pub use address::{is_fifo, is_on_aws, name, region, sibling};
pub use client::{Identity, Patience, client};
pub use failure::{Failure, Kind};
pub use login::{ACCESS_KEY_ID, Folder, Keys, Login, LoginError, SECRET_ACCESS_KEY, SESSION_TOKEN};
