//! The law in the loop with a queue, workers and a ReplicaSet, in virtual time: what it promises, and what it costs
//! on real loads.

mod closed_loop;
mod replayed;
mod table;
