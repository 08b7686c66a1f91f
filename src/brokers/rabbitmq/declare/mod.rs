//! Creating what a pool's author asks for: a queue, its dead letters' way, its bindings.
//!
//! | file | what it does |
//! |---|---|
//! | `plan` | **pure**: from the wish to a list of steps |
//! | `state` | **pure**: what became of a wish, and when to try again |
//! | `refusal` | **pure**: the broker's refusal as a reason with a remedy |
//! | `execute` | the steps, on a connection of their own |
//!
//! Nothing is ever deleted or changed. The pool's own queue must be as wanted: one that exists with
//! other arguments is left as it is, and nothing else is declared. Exchanges and the dead-letter
//! queue, which pools share, are used as they are where they exist, and created where they do not.

mod execute;
mod plan;
mod refusal;
mod state;

pub use execute::run;
pub use plan::{Binding, DeadLetter, Declare, QueueType};
pub use state::Wish;
