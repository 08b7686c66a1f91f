
pub mod crd;
