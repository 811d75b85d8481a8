//! How a server stands, for whoever operates it.

use std::collections::BTreeSet;

use serde::Deserialize;
use serde_json::Value;

use super::{Management, ManagementError};

/// What a server says of itself.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ServerStanding {
    /// Its version, `4.1.2`.
    pub version: String,
    /// The nodes of the cluster; one when it is none.
    pub nodes: Vec<NodeStanding>,
}

/// One node.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct NodeStanding {
    /// Its name, `rabbit@host`.
    pub name: String,
    /// Whether it runs.
    pub runs: bool,
    /// Its memory is used up: publishers are held back.
    pub memory_alarm: bool,
    /// Its disk is full: publishers are held back.
    pub disk_alarm: bool,
    /// Bytes left on its disk, where it looks.
    pub disk_free: Option<u64>,
    /// Nodes it has lost sight of.
    pub partitions: Vec<String>,
    /// Plugins that are enabled.
    pub plugins: BTreeSet<String>,
}

#[derive(Deserialize)]
struct FoundOverview {
    rabbitmq_version: String,
}

/// A node that does not run only has a name.
#[derive(Deserialize)]
struct FoundNode {
    name: String,
    #[serde(default)]
    running: bool,
    #[serde(default)]
    mem_alarm: bool,
    #[serde(default)]
    disk_free_alarm: bool,
    /// A number, or a word when nobody looks.
    #[serde(default)]
    disk_free: Value,
    #[serde(default)]
    partitions: Vec<String>,
    #[serde(default)]
    enabled_plugins: BTreeSet<String>,
}

impl Management {
    /// How the server and its nodes stand. Changes nothing.
    ///
    /// # Errors
    /// [`ManagementError`].
    pub async fn standing(&self) -> Result<ServerStanding, ManagementError> {
        let overview: FoundOverview = self.client.get("/api/overview").await?;
        let nodes: Vec<FoundNode> = self.list("/api/nodes").await?;
        Ok(ServerStanding {
            version: overview.rabbitmq_version,
            nodes: nodes.into_iter().map(NodeStanding::from).collect(),
        })
    }
}

impl From<FoundNode> for NodeStanding {
    fn from(found: FoundNode) -> Self {
        Self {
            name: found.name,
            runs: found.running,
            memory_alarm: found.mem_alarm,
            disk_alarm: found.disk_free_alarm,
            disk_free: found.disk_free.as_u64(),
            partitions: found.partitions,
            plugins: found.enabled_plugins,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn node(text: &str) -> NodeStanding {
        serde_json::from_str::<FoundNode>(text).unwrap().into()
    }

    #[test]
    fn a_node_is_read_whether_it_runs_or_not() {
        let up = node(
            r#"{"name":"rabbit@a","running":true,"mem_alarm":false,"disk_free_alarm":true,"disk_free":1000,
                "partitions":["rabbit@b"],"enabled_plugins":["rabbitmq_management"],"more":1}"#,
        );
        assert!(up.runs && up.disk_alarm && !up.memory_alarm);
        assert_eq!(up.disk_free, Some(1000));
        assert_eq!(up.partitions, ["rabbit@b"]);
        assert!(up.plugins.contains("rabbitmq_management"));
        let down = node(r#"{"name":"rabbit@b","running":false}"#);
        let expected = NodeStanding {
            name: "rabbit@b".to_owned(),
            ..NodeStanding::default()
        };
        assert_eq!(down, expected);
        let unseen = node(r#"{"name":"a","disk_free":"disk_free_monitoring_disabled"}"#);
        assert_eq!(unseen.disk_free, None);
    }
}
