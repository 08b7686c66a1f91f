//! What the control plane and the nodes do with Deployments: their controllers, the kubelet, and the workers.

pub mod deployments;
pub mod pods;
pub mod replica_sets;
pub mod workers;
