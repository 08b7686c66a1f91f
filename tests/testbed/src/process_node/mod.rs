//! tmp
mod argv;
mod backoff;
mod container;
mod env;
mod expand;
mod fields;
#[cfg(test)]
mod fixtures;
mod folder;
mod lifecycle;
#[cfg(test)]
mod lifecycle_tests;
mod mounts;
mod objects;
mod plan;
mod quantity;
mod status;
#[cfg(test)]
mod status_tests;
mod volumes;
