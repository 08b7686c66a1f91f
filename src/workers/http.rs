//! The worker contract over HTTP. Workers are strangers' processes: nothing they answer is trusted
//! further than its bounds.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::time::Duration;

use futures::FutureExt;
use futures::future::BoxFuture;

use super::{StatusError, WorkerClient};
use crate::clock::Clock;
use crate::contract::{State, Status};
use crate::scaling::observation::{Report, WorkerState};
use crate::scaling::time::Timestamp;

/// For the whole exchange: workers are asked every second or so.
const TIMEOUT: Duration = Duration::from_secs(1);
/// A status is some 200 bytes.
const BODY_LIMIT: usize = 64 * 1024;
/// More tasks than a worker can hold: RabbitMQ's prefetch count has 16 bits.
const MOST_TASKS: u64 = 65_535;
/// Larger than any machine: 64 TiB.
const MOST_BYTES: u64 = 1 << 46;
/// A thousand years of one task, in seconds; beyond it is noise.
const MOST_BUSY_SECONDS: f64 = 3.2e10;

/// Asks workers over HTTP. Cheap to clone, one connection pool.
#[derive(Clone, Debug)]
pub struct HttpWorkerClient {
    http: reqwest::Client,
    clock: Clock,
}

impl HttpWorkerClient {
    /// Fails only where the process has no TLS provider installed.
    pub fn new(clock: Clock) -> Result<Self, reqwest::Error> {
        let http = reqwest::Client::builder()
            .timeout(TIMEOUT)
            // A redirect would lead to an address that was not looked at.
            .redirect(reqwest::redirect::Policy::none())
            // Pods are on the cluster's own network; a proxy from the environment would see them all.
            .no_proxy()
            .pool_idle_timeout(Duration::from_secs(10))
            .build()?;
        Ok(Self { http, clock })
    }

    async fn ask(&self, address: SocketAddr) -> Result<Report, StatusError> {
        if forbidden(address.ip()) {
            return Err(StatusError::Forbidden(address.ip()));
        }
        let mut response =
            self.http.get(format!("http://{address}/status")).send().await.map_err(|_| StatusError::NoAnswer)?;
        if response.status() != reqwest::StatusCode::OK {
            return Err(StatusError::Invalid("GET /status did not answer 200"));
        }
        let mut body = Vec::new();
        while let Some(chunk) = response.chunk().await.map_err(|_| StatusError::NoAnswer)? {
            if body.len() + chunk.len() > BODY_LIMIT {
                return Err(StatusError::Invalid("it is longer than 64 KiB"));
            }
            body.extend_from_slice(&chunk);
        }
        let status: Status = serde_json::from_slice(&body)
            .map_err(|_| StatusError::Invalid("it must be JSON like {\"inFlight\": 0}"))?;
        Ok(report(&status, self.clock.now()))
    }
}

impl WorkerClient for HttpWorkerClient {
    fn status(&self, address: SocketAddr) -> BoxFuture<'_, Result<Report, StatusError>> {
        self.ask(address).boxed()
    }
}

fn report(status: &Status, at: Timestamp) -> Report {
    let tasks = |count: u64| count.min(MOST_TASKS) as u32;
    let bytes = |count: Option<u64>| count.filter(|&count| count > 0).map(|count| count.min(MOST_BYTES));
    Report {
        at,
        state: match status.state {
            None | Some(State::Running) => WorkerState::Running,
            Some(State::Draining) => WorkerState::Draining,
            // "Drained, holding two" is two tasks that a scale-down would kill.
            Some(State::Drained) if status.in_flight > 0 => WorkerState::Draining,
            Some(State::Drained) => WorkerState::Drained,
        },
        in_flight: tasks(status.in_flight),
        slots: status.slots.filter(|&slots| slots > 0).map(tasks),
        completed: status.completed,
        failed: status.failed,
        busy_seconds: status
            .busy_seconds
            .filter(|seconds| seconds.is_finite() && *seconds >= 0.0)
            .map(|seconds| seconds.min(MOST_BUSY_SECONDS)),
        memory_bytes: bytes(status.memory_bytes),
        base_memory_bytes: bytes(status.base_memory_bytes),
        task_peak_memory_bytes: bytes(status.task_peak_memory_bytes),
    }
}

/// Addresses no pod has. Loopback is allowed: host-network pods on the operator's own node, and
/// pods that are local processes, have it.
fn forbidden(address: IpAddr) -> bool {
    match address {
        IpAddr::V4(v4) => forbidden_v4(v4),
        IpAddr::V6(v6) => match embedded_v4(v6) {
            Some(v4) => forbidden_v4(v4),
            None => {
                v6.is_unspecified()
                    || v6.is_multicast()
                    || v6.is_unicast_link_local()
                    // A cloud's metadata service over IPv6.
                    || v6 == Ipv6Addr::new(0xfd00, 0xec2, 0, 0, 0, 0, 0, 0x254)
            }
        },
    }
}

fn forbidden_v4(v4: Ipv4Addr) -> bool {
    v4.is_unspecified() || v4.is_link_local() || v4.is_multicast() || v4.is_broadcast()
}

/// IPv4-mapped (`::ffff:a.b.c.d`) and NAT64 (`64:ff9b::a.b.c.d`) forms reach IPv4 hosts.
fn embedded_v4(v6: Ipv6Addr) -> Option<Ipv4Addr> {
    let octets = v6.octets();
    let (prefix, last) = octets.split_at(12);
    let nat64 = (prefix == [0, 0x64, 0xff, 0x9b, 0, 0, 0, 0, 0, 0, 0, 0])
        .then(|| Ipv4Addr::from([last[0], last[1], last[2], last[3]]));
    v6.to_ipv4_mapped().or(nat64)
}

#[cfg(test)]
mod tests {
    use std::time::SystemTime;

    use axum::Router;
    use axum::http::StatusCode;
    use axum::response::Redirect;
    use axum::routing::get;

    use super::*;

    fn client() -> HttpWorkerClient {
        let _ = rustls::crypto::aws_lc_rs::default_provider().install_default();
        HttpWorkerClient::new(Clock::starting_at(SystemTime::now())).unwrap()
    }

    /// Serves one answer at `/status`.
    async fn worker(router: axum::routing::MethodRouter) -> SocketAddr {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        tokio::spawn(async move { axum::serve(listener, Router::new().route("/status", router)).await });
        address
    }

    #[tokio::test]
    async fn a_short_answer_is_enough() {
        let address = worker(get(|| async { r#"{"inFlight":3}"# })).await;
        let report = client().status(address).await.unwrap();
        assert_eq!((report.in_flight, report.state, report.slots), (3, WorkerState::Running, None));
        assert!(report.at.0 > 1.7e9);
    }

    #[tokio::test]
    async fn what_is_implausible_is_clamped_or_left_out() {
        let address = worker(get(|| async {
            r#"{"state":"drained","inFlight":18446744073709551615,"slots":0,"busySeconds":-3,"memoryBytes":18446744073709551615}"#
        }))
        .await;
        let report = client().status(address).await.unwrap();
        assert_eq!(report.in_flight, 65_535);
        assert_eq!((report.slots, report.busy_seconds, report.memory_bytes), (None, None, Some(MOST_BYTES)));
        assert_eq!(report.state, WorkerState::Draining, "a drained worker holds nothing");
    }

    #[tokio::test]
    async fn what_is_no_status_is_an_error_and_never_zero() {
        let cases = [
            worker(get(|| async { "{}" })).await,
            worker(get(|| async { r#"{"inFlight":-1}"# })).await,
            worker(get(|| async { "x".repeat(70_000) })).await,
            worker(get(|| async { (StatusCode::NOT_FOUND, r#"{"inFlight":0}"#) })).await,
            worker(get(|| async { Redirect::temporary("http://127.0.0.1:1/") })).await,
        ];
        for address in cases {
            assert!(matches!(client().status(address).await, Err(StatusError::Invalid(_))));
        }
    }

    #[tokio::test]
    async fn silence_ends_after_a_second() {
        let address = worker(get(|| async {
            tokio::time::sleep(Duration::from_secs(5)).await;
            "{}"
        }))
        .await;
        let asked = std::time::Instant::now();
        assert_eq!(client().status(address).await, Err(StatusError::NoAnswer));
        assert!(asked.elapsed() < Duration::from_secs(3));
        assert_eq!(client().status("127.0.0.1:1".parse().unwrap()).await, Err(StatusError::NoAnswer));
    }

    #[tokio::test]
    async fn metadata_services_are_not_asked() {
        for ip in [
            "169.254.169.254",
            "0.0.0.0",
            "255.255.255.255",
            "224.0.0.1",
            "::",
            "fe80::1",
            "ff02::1",
            "::ffff:169.254.169.254",
            "64:ff9b::a9fe:a9fe",
            "fd00:ec2::254",
        ] {
            let ip: IpAddr = ip.parse().unwrap();
            assert_eq!(client().status(SocketAddr::new(ip, 80)).await, Err(StatusError::Forbidden(ip)));
        }
        for ip in ["127.0.3.4", "10.244.0.7", "::1", "fd00::7", "::ffff:10.0.0.1"] {
            assert!(!forbidden(ip.parse().unwrap()), "{ip}");
        }
    }
}
