//! GET requests to the management API, bounded in time and size.
//!
//! No redirects (a pool's author must not lead the operator's login elsewhere), no proxies from
//! the environment (`HTTPS_PROXY` on the operator is for the API server; a broker's login does
//! not go through it), and no byte of an answer's body in any error.

use std::sync::Arc;
use std::time::Duration;

use serde::Deserialize;
use serde::de::DeserializeOwned;

use super::errors;
use super::identity::Identity;
use super::load::Load;
use crate::clock::Clock;
use crate::net::{addresses, tls};
use crate::scaling::observation::Unknown;

const CONNECT: Duration = Duration::from_secs(3);

/// The broker's HTTP server closes a connection on which nothing was asked for 5 s: a list every 5.2 s would now and
/// then meet it closing.
const IDLE: Duration = Duration::from_secs(3);

/// One request, body included: 5,000 queues take under a second, so ten seconds are an outage.
const REQUEST: Duration = Duration::from_secs(10);

/// 100,000 queues with their arguments are about 40 MB.
const LARGEST_BODY: usize = 64 << 20;

/// What a refusal's `reason` is looked for in; it is never shown.
const LARGEST_REFUSAL: usize = 4 << 10;

/// The management API of one identity; the last URL that answered is tried first.
#[derive(Debug)]
pub struct Http {
    client: reqwest::Client,
    bases: Vec<String>,
    preferred: usize,
    username: String,
    password: String,
    /// Whose turns are awaited; `None` for a single question of a person.
    budget: Option<(Arc<Load>, Clock)>,
}

/// A request that ended without the answer wanted.
#[derive(Debug)]
pub enum Failure {
    /// Everybody's problem: unreachable, login refused.
    Broker(Unknown),
    /// 400: the node serves no statistics.
    StatisticsOff,
    /// 404: no such vhost, exchange or endpoint.
    Missing,
    /// 401 or 403 for this path alone: no permission in the vhost.
    Forbidden,
    /// Another status; 503 is how a health check says no.
    Status(u16),
}

impl Failure {
    /// In the words of a reading, for a question about `vhost` asked by `user` at `address`.
    pub fn explain(self, user: &str, vhost: &str, address: &str) -> Unknown {
        match self {
            Self::Broker(why) => why,
            Self::Forbidden => errors::vhost_forbidden(user, vhost),
            Self::Missing => errors::vhost_hidden(user, vhost),
            Self::StatisticsOff => errors::statistics_disabled(),
            Self::Status(503) => errors::management_unreachable(address, "it says that it is not available now"),
            Self::Status(_) => errors::not_management(address),
        }
    }
}

impl Http {
    pub fn new(identity: &Identity) -> Result<Self, Unknown> {
        let tls = if identity.management.iter().any(|url| url.starts_with("https:")) {
            Some(tls::client_config(&identity.tls).map_err(|why| errors::tls_invalid(&why))?)
        } else {
            tls::unused()
        };
        let tls = tls.ok_or_else(|| errors::http_unusable("no TLS version is available"))?;
        let client = reqwest::Client::builder()
            .tls_backend_preconfigured(tls)
            .dns_resolver(Resolver)
            .redirect(reqwest::redirect::Policy::none())
            .no_proxy()
            .connect_timeout(CONNECT)
            .timeout(REQUEST)
            .pool_max_idle_per_host(1)
            .pool_idle_timeout(IDLE)
            .user_agent("awp-operator")
            .build()
            .map_err(|_| errors::http_unusable("the HTTP client does not accept the TLS settings"))?;
        Ok(Self {
            client,
            bases: identity.management.clone(),
            preferred: 0,
            username: identity.username.clone(),
            password: identity.password.clone(),
            budget: None,
        })
    }

    /// Every request waits for its turn.
    #[must_use]
    pub fn within(self, load: Arc<Load>, clock: Clock) -> Self {
        Self { budget: Some((load, clock)), ..self }
    }

    /// The URL in use, for messages.
    pub fn address(&self) -> &str {
        self.bases.get(self.preferred).map_or("", String::as_str)
    }

    /// GET `path` (from `/api/` on) from the first node that can be reached.
    pub async fn get<T: DeserializeOwned>(&mut self, path: &str) -> Result<T, Failure> {
        let body = self.get_body(path).await?;
        serde_json::from_slice(&body).map_err(|_| Failure::Broker(errors::not_management(self.address())))
    }

    /// Whether a health check at `path` passes.
    pub async fn is_healthy(&mut self, path: &str) -> Result<bool, Failure> {
        match self.get_body(path).await {
            Ok(_) => Ok(true),
            Err(Failure::Status(503)) => Ok(false),
            Err(failure) => Err(failure),
        }
    }

    async fn get_body(&mut self, path: &str) -> Result<Vec<u8>, Failure> {
        let mut failure = None;
        for _ in 0..self.bases.len() {
            match self.get_from(self.address(), path).await {
                Err(Failure::Broker(why)) if why.reason == "ManagementUnreachable" => {
                    failure.get_or_insert(why);
                    self.preferred = (self.preferred + 1) % self.bases.len();
                }
                ended => return ended,
            }
        }
        Err(Failure::Broker(failure.unwrap_or_else(errors::management_missing)))
    }

    async fn get_from(&self, base: &str, path: &str) -> Result<Vec<u8>, Failure> {
        if let Some((load, clock)) = &self.budget {
            load.turn_to_ask(*clock).await;
        }
        let request = self.client.get(format!("{base}{path}")).basic_auth(&self.username, Some(&self.password));
        let response = request.send().await.map_err(|error| Failure::Broker(unreachable(base, &error)))?;
        let status = response.status().as_u16();
        match status {
            200 => bounded(base, response, LARGEST_BODY).await,
            401 | 403 => {
                let refusal = bounded(base, response, LARGEST_REFUSAL).await.unwrap_or_default();
                Err(self.refused(base, &refusal))
            }
            400 => Err(Failure::StatisticsOff),
            404 => Err(Failure::Missing),
            300..=399 => Err(Failure::Broker(errors::not_management(base))),
            429 | 500..=599 if status != 503 => {
                Err(Failure::Broker(errors::management_unreachable(base, "it answers with a server error")))
            }
            _ => Err(Failure::Status(status)),
        }
    }

    /// Tells the three refusals apart by the server's fixed phrases.
    fn refused(&self, base: &str, body: &[u8]) -> Failure {
        #[derive(Deserialize)]
        struct Refusal {
            #[serde(default)]
            reason: String,
        }
        let reason = serde_json::from_slice::<Refusal>(body).map(|refusal| refusal.reason.to_lowercase());
        match reason.as_deref().unwrap_or_default() {
            reason if reason.contains("virtual host") || reason.contains("vhost") => Failure::Forbidden,
            reason if reason.contains("not management user") || reason.contains("not monitor user") => {
                Failure::Broker(errors::tag_missing(&self.username))
            }
            _ => Failure::Broker(errors::management_login_refused(base, &self.username)),
        }
    }
}

async fn bounded(base: &str, mut response: reqwest::Response, limit: usize) -> Result<Vec<u8>, Failure> {
    let too_large = || Failure::Broker(errors::management_unreachable(base, "its answer is unreasonably large"));
    if response.content_length().is_some_and(|length| length > limit as u64) {
        return Err(too_large());
    }
    let mut body = Vec::new();
    while let Some(chunk) = response.chunk().await.map_err(|error| Failure::Broker(unreachable(base, &error)))? {
        if body.len() + chunk.len() > limit {
            return Err(too_large());
        }
        body.extend_from_slice(&chunk);
    }
    Ok(body)
}

/// Looks names up as everybody else here does.
#[derive(Debug)]
struct Resolver;

impl reqwest::dns::Resolve for Resolver {
    fn resolve(&self, name: reqwest::dns::Name) -> reqwest::dns::Resolving {
        Box::pin(async move {
            let found = addresses::resolve(name.as_str(), 0).await?;
            Ok(Box::new(found.into_iter()) as reqwest::dns::Addrs)
        })
    }
}

/// The error's own text may hold the URL; what it *is* says enough.
fn unreachable(base: &str, error: &reqwest::Error) -> Unknown {
    if let Some(why) = tls::failure(error) {
        return errors::tls_failed(base, why);
    }
    if error.is_timeout() {
        errors::management_unreachable(base, "no answer in time")
    } else if error.is_connect() {
        errors::management_unreachable(base, "the connection is refused or the name unknown")
    } else {
        errors::management_unreachable(base, "the connection broke")
    }
}
