//! Making the servers' programs, once per machine and version, into the user's cache folder.

pub mod apt;
pub mod control_plane;
pub mod elasticmq;
pub mod go;
pub mod kafka;
pub mod maven;
pub mod moto;
pub mod patchelf;
pub mod rabbitmq;
pub mod step;
