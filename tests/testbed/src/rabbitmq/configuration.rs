//! The files a node is configured by.

use std::path::Path;

use anyhow::Result;

use super::Options;
use super::node::{ADMIN, ADMIN_PASSWORD, Ports};
use crate::base::pki::Authority;

/// A certificate for the node, signed by an authority of its own, whose PEM is answered.
pub fn write_certificates(folder: &Path) -> Result<String> {
    let authority = Authority::new("awp-testbed RabbitMQ")?;
    authority.server("localhost", &["localhost", "127.0.0.1"])?.write(folder, "server")?;
    std::fs::write(folder.join("ca.crt"), authority.pem())?;
    Ok(authority.pem())
}

/// `cluster`: the names of all nodes, where there are several.
pub fn write(folder: &Path, ports: &Ports, options: &Options, cluster: &[String]) -> Result<()> {
    let mut lines = vec![
        format!("listeners.tcp.1 = 127.0.0.1:{}", ports.amqp),
        format!("default_user = {ADMIN}"),
        format!("default_pass = {ADMIN_PASSWORD}"),
        "default_user_tags.administrator = true".to_owned(),
        format!("collect_statistics_interval = {}", options.statistics_interval),
        "log.console.level = info".to_owned(),
        // A test machine with a full disk or little memory would block publishers, and the test would only hang.
        "disk_free_limit.absolute = 50MB".to_owned(),
        "vm_memory_high_watermark.absolute = 1GB".to_owned(),
    ];
    if options.tls {
        lines.push(format!("listeners.ssl.1 = 127.0.0.1:{}", ports.tls));
        for (key, file) in [("cacertfile", "ca.crt"), ("certfile", "server.crt"), ("keyfile", "server.key")] {
            lines.push(format!("ssl_options.{key} = {}", folder.join(file).display()));
        }
        lines.push("ssl_options.verify = verify_none".to_owned());
    }
    if options.management {
        lines.push("management.tcp.ip = 127.0.0.1".to_owned());
        lines.push(format!("management.tcp.port = {}", ports.management));
        lines.push(format!("management_agent.disable_metrics_collector = {}", options.disable_metrics_collector));
    }
    if !cluster.is_empty() {
        lines.push("cluster_formation.peer_discovery_backend = classic_config".to_owned());
        for (number, name) in (1..).zip(cluster) {
            lines.push(format!("cluster_formation.classic_config.nodes.{number} = {name}"));
        }
    }
    lines.push(options.extra.clone());
    std::fs::write(folder.join("rabbitmq.conf"), lines.join("\n") + "\n")?;
    // Not a key of rabbitmq.conf in any version.
    let advanced = format!("[{{rabbit, [{{quorum_tick_interval, {}}}]}}].\n", options.quorum_tick_interval);
    std::fs::write(folder.join("advanced.config"), advanced)?;
    let plugins = if options.management { "[rabbitmq_management].\n" } else { "[].\n" };
    std::fs::write(folder.join("enabled_plugins"), plugins)?;
    std::fs::write(folder.join("rabbitmq-env.conf"), "")?;
    Ok(())
}
