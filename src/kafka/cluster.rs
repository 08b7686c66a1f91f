//! The brokers of one cluster: who is who, and one connection to each.

use std::collections::HashMap;
use std::fmt;
use std::net::IpAddr;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use rustls::ClientConfig;

use super::connection::{Connection, unreachable};
use super::error::Error;
use super::login::Login;
use super::message::{Metadata, Node, Request, Topology};

/// How to reach a cluster.
#[derive(Clone)]
pub struct Settings {
    /// `(host, port)`, any of which tells all others.
    pub bootstrap: Vec<(String, u16)>,
    /// `None` = no encryption.
    pub tls: Option<Arc<ClientConfig>>,
    pub login: Option<Login>,
    /// What the broker's own logs and metrics call us.
    pub client_id: String,
    /// From the first packet to the login.
    pub connect_limit: Duration,
    /// For one request.
    pub request_limit: Duration,
    /// Addresses that are not connected to, wherever a name leads.
    pub refuse: fn(IpAddr) -> bool,
    /// What went wrong with TLS, in words, if that is what an error comes from.
    pub tls_words: fn(&(dyn std::error::Error + 'static)) -> Option<&'static str>,
}

impl fmt::Debug for Settings {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Settings").field("bootstrap", &self.bootstrap).finish_non_exhaustive()
    }
}

impl Settings {
    pub(super) fn tls_error(&self, error: &std::io::Error) -> Error {
        (self.tls_words)(error).map_or_else(|| unreachable(error), Error::Tls)
    }
}

/// Connections are opened when they are needed and kept; names are resolved anew for each.
#[derive(Debug)]
pub struct Cluster {
    settings: Settings,
    nodes: Mutex<HashMap<i32, Node>>,
    connections: Mutex<HashMap<i32, Place>>,
}

/// Where a connection is, or is made by one of those who want it.
type Place = Arc<tokio::sync::Mutex<Option<Arc<Connection>>>>;

/// In place of a node's id: the connection to a bootstrap address.
const BOOTSTRAP: i32 = -1;

impl Cluster {
    pub fn new(settings: Settings) -> Self {
        Self { settings, nodes: Mutex::default(), connections: Mutex::default() }
    }

    /// The address of a node, for messages.
    pub fn address(&self, node: i32) -> String {
        let nodes = self.nodes.lock().unwrap_or_else(PoisonError::into_inner);
        nodes.get(&node).map_or_else(|| format!("broker {node}"), |node| format!("{}:{}", node.host, node.port))
    }

    /// Who leads these topics. Learns the nodes' addresses on the way.
    pub async fn topology(&self, topics: Vec<&str>) -> Result<Topology, Error> {
        let topology = self.ask_any(&Metadata { topics }).await?;
        self.learn(&topology.nodes);
        Ok(topology)
    }

    /// Asks one node.
    pub async fn ask<R: Request>(&self, node: i32, request: &R) -> Result<R::Answer, Error> {
        self.node(node).await?.call(request).await
    }

    /// Asks whoever answers first: nodes that are connected, else the bootstrap addresses in turn,
    /// then nodes that are known.
    pub async fn ask_any<R: Request>(&self, request: &R) -> Result<R::Answer, Error> {
        let mut failed = None;
        for connection in self.open_connections() {
            match connection.call(request).await {
                Ok(answer) => return Ok(answer),
                Err(error) => failed = Some(error),
            }
        }
        match self.any().await {
            Ok(connection) => connection.call(request).await,
            Err(error) => Err(failed.unwrap_or(error)),
        }
    }

    /// A connection to some broker.
    pub async fn any(&self) -> Result<Arc<Connection>, Error> {
        if let Some(open) = self.open_connections().into_iter().next() {
            return Ok(open);
        }
        let place = self.place(BOOTSTRAP);
        let mut connected = place.lock().await;
        if let Some(open) = connected.as_ref().filter(|open| !open.is_broken()) {
            return Ok(open.clone());
        }
        let known: Vec<(String, u16)> = {
            let nodes = self.nodes.lock().unwrap_or_else(PoisonError::into_inner);
            let port = |node: &Node| u16::try_from(node.port).unwrap_or_default();
            nodes.values().map(|node| (node.host.clone(), port(node))).collect()
        };
        let mut failed = Error::Unreachable("no address to begin with".to_owned());
        for (host, port) in self.settings.bootstrap.iter().chain(&known) {
            match Connection::open(host, *port, &self.settings).await {
                Ok(connection) => {
                    let connection = Arc::new(connection);
                    *connected = Some(connection.clone());
                    return Ok(connection);
                }
                // The same login fails everywhere, and says more than what comes after it.
                Err(error @ (Error::LoginRefused | Error::MechanismRefused(_))) => return Err(error),
                Err(error) => failed = error,
            }
        }
        Err(failed)
    }

    /// The connection to one node.
    pub async fn node(&self, id: i32) -> Result<Arc<Connection>, Error> {
        let place = self.place(id);
        let mut connected = place.lock().await;
        if let Some(open) = connected.as_ref().filter(|open| !open.is_broken()) {
            return Ok(open.clone());
        }
        *connected = None;
        let node = self.nodes.lock().unwrap_or_else(PoisonError::into_inner).get(&id).cloned();
        let node = node.ok_or_else(|| Error::Unreachable("its address is not known yet".to_owned()))?;
        let port = u16::try_from(node.port).map_err(|_| Error::NotKafka("a broker without a port"))?;
        let connection = Arc::new(Connection::open(&node.host, port, &self.settings).await?);
        *connected = Some(connection.clone());
        // Nodes serve for what the bootstrap address did.
        self.connections.lock().unwrap_or_else(PoisonError::into_inner).remove(&BOOTSTRAP);
        Ok(connection)
    }

    /// Connections that are open now.
    pub fn open_connections(&self) -> Vec<Arc<Connection>> {
        let places: Vec<Place> = {
            let connections = self.connections.lock().unwrap_or_else(PoisonError::into_inner);
            connections.values().cloned().collect()
        };
        // One that is being made by somebody is not waited for.
        let open = places.iter().filter_map(|place| place.try_lock().ok()?.clone());
        open.filter(|connection| !connection.is_broken()).collect()
    }

    fn place(&self, id: i32) -> Place {
        self.connections.lock().unwrap_or_else(PoisonError::into_inner).entry(id).or_default().clone()
    }

    /// Nodes that left the cluster, or moved, lose their connection.
    fn learn(&self, found: &[Node]) {
        let found: HashMap<i32, Node> = found.iter().map(|node| (node.id, node.clone())).collect();
        let mut nodes = self.nodes.lock().unwrap_or_else(PoisonError::into_inner);
        let stays = |id: &i32| *id == BOOTSTRAP || (found.contains_key(id) && nodes.get(id) == found.get(id));
        self.connections.lock().unwrap_or_else(PoisonError::into_inner).retain(|id, _| stays(id));
        *nodes = found;
    }
}
