//! The server's management interface: what exists, who may do what.

mod http;
mod standing;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

pub use self::standing::{NodeStanding, ServerStanding};

use self::http::{Client, encoded};
use crate::topology::{
    Access, Actual, ActualQueue, Arguments, Binding, Destination, EVENTS, Exchange, Queue,
};

/// Why the management interface did not do what it was asked.
#[derive(Debug, Clone, thiserror::Error)]
pub enum ManagementError {
    /// The address cannot be read.
    #[error("the address of the management interface is not one: {0}")]
    Address(String),
    /// No answer, or none that can be read.
    #[error("the management interface did not answer")]
    Unreachable(#[source] Arc<dyn std::error::Error + Send + Sync>),
    /// It does not know this user, or the user is no administrator.
    #[error("the management interface refused the user, who must be an administrator")]
    Forbidden,
    /// The virtual host does not exist.
    #[error("there is no {path} on the management interface; is the virtual host right?")]
    Missing {
        /// What was asked for.
        path: String,
    },
    /// Any other refusal.
    #[error("the management interface answered {status}: {text}")]
    Refused {
        /// Status of the answer.
        status: u16,
        /// What it said.
        text: String,
    },
}

/// A client of the management interface, for one virtual host. Needs a user who is administrator.
#[derive(Debug, Clone)]
pub struct Management {
    client: Client,
    vhost: String,
}

#[derive(Deserialize)]
struct FoundExchange {
    name: String,
    #[serde(rename = "type")]
    kind: String,
    #[serde(default)]
    arguments: Arguments,
}

#[derive(Deserialize)]
struct FoundQueue {
    name: String,
    #[serde(default)]
    arguments: Arguments,
    /// Missing while the server has not counted yet.
    #[serde(default)]
    messages: u64,
    #[serde(default)]
    consumers: u64,
}

#[derive(Deserialize)]
struct FoundBinding {
    source: String,
    destination: String,
    destination_type: Destination,
    routing_key: String,
    #[serde(default)]
    arguments: Arguments,
}

#[derive(Deserialize)]
struct FoundUser {
    name: String,
}

#[derive(Deserialize)]
struct FoundPermission {
    user: String,
    configure: String,
    write: String,
    read: String,
}

#[derive(Deserialize)]
struct FoundTopicPermission {
    user: String,
    exchange: String,
    write: String,
    read: String,
}

#[derive(Serialize)]
struct NewUser<'a> {
    password: &'a str,
    tags: &'static str,
}

#[derive(Serialize)]
struct NewPermission<'a> {
    configure: &'a str,
    write: &'a str,
    read: &'a str,
}

#[derive(Serialize)]
struct NewTopicPermission<'a> {
    exchange: &'static str,
    write: &'a str,
    read: &'a str,
}

// === impl Management ===

impl Management {
    /// A client for `url`, which is `http://user:password@host:port` or `https://`, and trusts these
    /// certificates (PEM) besides the system's. Nothing is asked yet.
    ///
    /// # Errors
    /// [`ManagementError::Address`].
    pub fn new(
        url: &str,
        vhost: &str,
        ca_certificates: Option<&str>,
    ) -> Result<Self, ManagementError> {
        Ok(Self {
            client: Client::new(url, ca_certificates)?,
            vhost: vhost.to_owned(),
        })
    }

    /// Everything that a topology is compared with. Changes nothing.
    ///
    /// # Errors
    /// [`ManagementError`].
    pub async fn read(&self) -> Result<Actual, ManagementError> {
        let vhost = encoded(&self.vhost);
        let exchanges: Vec<FoundExchange> = self.list(&format!("/api/exchanges/{vhost}")).await?;
        let queues: Vec<FoundQueue> = self.list(&format!("/api/queues/{vhost}")).await?;
        let bindings: Vec<FoundBinding> = self.list(&format!("/api/bindings/{vhost}")).await?;
        let users: Vec<FoundUser> = self.list("/api/users").await?;
        Ok(Actual {
            exchanges: exchanges.into_iter().map(Exchange::from).collect(),
            queues: queues.into_iter().map(ActualQueue::from).collect(),
            bindings: bindings
                .into_iter()
                // Every queue is bound to the nameless exchange.
                .filter(|binding| !binding.source.is_empty())
                .map(Binding::from)
                .collect(),
            users: users.into_iter().map(|user| user.name).collect(),
            accesses: self.accesses(&vhost).await?,
        })
    }

    async fn accesses(&self, vhost: &str) -> Result<Vec<Access>, ManagementError> {
        let path = format!("/api/vhosts/{vhost}/permissions");
        let permissions: Vec<FoundPermission> = self.list(&path).await?;
        let path = format!("/api/vhosts/{vhost}/topic-permissions");
        let topics: Vec<FoundTopicPermission> = self.list(&path).await?;
        let mut topics: BTreeMap<String, (String, String)> = topics
            .into_iter()
            .filter(|topic| topic.exchange == EVENTS)
            .map(|topic| (topic.user, (topic.write, topic.read)))
            .collect();
        let access = |found: FoundPermission| {
            // Without any, every topic is allowed.
            let (topics_written, topics_read) = topics
                .remove(&found.user)
                .unwrap_or_else(|| (".*".to_owned(), ".*".to_owned()));
            Access {
                user: found.user,
                configure: found.configure,
                write: found.write,
                read: found.read,
                topics_written,
                topics_read,
            }
        };
        Ok(permissions.into_iter().map(access).collect())
    }

    /// Makes a user, or gives it this password. It may do nothing by that.
    ///
    /// # Errors
    /// [`ManagementError`].
    pub async fn put_user(&self, user: &str, password: &str) -> Result<(), ManagementError> {
        let path = format!("/api/users/{}", encoded(user));
        let tags = "";
        self.client.put(&path, &NewUser { password, tags }).await
    }

    /// Lets a user do exactly this.
    ///
    /// # Errors
    /// [`ManagementError`]; also when the user does not exist.
    pub async fn put_access(&self, access: &Access) -> Result<(), ManagementError> {
        let (vhost, user) = (encoded(&self.vhost), encoded(&access.user));
        // Topics first: without them, permission to write would be permission for every topic.
        let path = format!("/api/topic-permissions/{vhost}/{user}");
        let topics = NewTopicPermission {
            exchange: EVENTS,
            write: &access.topics_written,
            read: &access.topics_read,
        };
        self.client.put(&path, &topics).await?;
        let path = format!("/api/permissions/{vhost}/{user}");
        let permission = NewPermission {
            configure: &access.configure,
            write: &access.write,
            read: &access.read,
        };
        self.client.put(&path, &permission).await
    }

    /// Users there are, of all virtual hosts.
    ///
    /// # Errors
    /// [`ManagementError`].
    pub async fn users(&self) -> Result<BTreeSet<String>, ManagementError> {
        let users: Vec<FoundUser> = self.list("/api/users").await?;
        Ok(users.into_iter().map(|user| user.name).collect())
    }

    async fn list<T: DeserializeOwned>(&self, path: &str) -> Result<Vec<T>, ManagementError> {
        self.client.get(path).await
    }
}

impl From<FoundExchange> for Exchange {
    fn from(found: FoundExchange) -> Self {
        Self {
            name: found.name,
            kind: found.kind,
            arguments: found.arguments,
        }
    }
}

impl From<FoundQueue> for ActualQueue {
    fn from(found: FoundQueue) -> Self {
        Self {
            queue: Queue {
                name: found.name,
                arguments: found.arguments,
            },
            messages: found.messages,
            consumers: found.consumers,
        }
    }
}

impl From<FoundBinding> for Binding {
    fn from(found: FoundBinding) -> Self {
        Self {
            source: found.source,
            destination: found.destination,
            to: found.destination_type,
            key: found.routing_key,
            arguments: found.arguments,
        }
    }
}
