//! Reading RabbitMQ: passive declare for a fast wake-up, management bulk lists for unacked.

/// One queue on one RabbitMQ, with the login to read it.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Source {
    pub broker: Identity,
    pub queue: String,
}

/// Endpoint and credentials: pools that share it share one poller.
#[derive(Clone, PartialEq, Eq, Hash)]
pub struct Identity {
    /// `amqp[s]://host:port/vhost`, without credentials; the vhost is part of the identity
    /// because an AMQP connection is opened to one.
    pub uri: String,
    /// `http[s]://host:port`, several separated as a list; empty = none given.
    pub management: Vec<String>,
    pub username: String,
    pub password: String,
    /// PEM of a private CA; `None` = the system's roots.
    pub ca: Option<Vec<u8>>,
    /// PEM of a client certificate and its key.
    pub client: Option<(Vec<u8>, Vec<u8>)>,
}

impl std::fmt::Debug for Identity {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Identity").field("uri", &self.uri).field("username", &self.username).finish_non_exhaustive()
    }
}
