//! `awp worker` and `awp publish` as processes, against a real RabbitMQ.

mod bench;
mod dead_letters;
mod faults;
mod publish;
mod python;
mod worker;
