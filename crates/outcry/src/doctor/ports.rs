//! The ports to listen on: free, or who answers there.

use std::io::ErrorKind;
use std::net::SocketAddr;

use tokio::net::TcpListener;

use super::finding::Finding;
use crate::config::Config;
use crate::operators;

const AREA: &str = "ports";

/// One port.
#[derive(Debug, Clone)]
pub struct Port {
    /// What it is for.
    purpose: &'static str,
    /// What names it.
    setting: &'static str,
    address: SocketAddr,
    state: State,
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum State {
    Free,
    /// A platform of ours listens there.
    Ours,
    /// Somebody else does.
    Taken,
    /// It cannot be listened on; why.
    Impossible(String),
}

/// Looks at the ports that a process with these services takes.
pub async fn gather(config: &Config, services: &[&str]) -> Vec<Port> {
    let mut ports = Vec::new();
    if services.contains(&"gateway") {
        ports.push(("the public port", "--listen", config.listen, "/healthz"));
    }
    if !config.broker.url.is_empty() && !config.database.url.is_empty() {
        let listen = config.mesh.listen;
        ports.push((
            "the port for other services",
            "`listen` in [mesh]",
            listen,
            "",
        ));
    }
    if let Some(listen) = config.admin.listen {
        ports.push(("the port for operators", "--admin", listen, "/livez"));
    }
    let mut found = Vec::new();
    for (purpose, setting, address, page) in ports {
        found.push(Port {
            purpose,
            setting,
            address,
            state: state(address, page).await,
        });
    }
    found
}

async fn state(address: SocketAddr, page: &str) -> State {
    match TcpListener::bind(address).await {
        Ok(_) => State::Free,
        Err(error) if error.kind() == ErrorKind::AddrInUse => {
            if is_ours(address, page).await {
                State::Ours
            } else {
                State::Taken
            }
        }
        Err(error) => State::Impossible(error.to_string()),
    }
}

/// Whether the page there is one of ours. A port that encrypts, or only speaks to services, does not say.
async fn is_ours(mut address: SocketAddr, page: &str) -> bool {
    if page.is_empty() {
        return false;
    }
    if address.ip().is_unspecified() {
        let own = match address {
            SocketAddr::V4(_) => std::net::Ipv4Addr::LOCALHOST.into(),
            SocketAddr::V6(_) => std::net::Ipv6Addr::LOCALHOST.into(),
        };
        address.set_ip(own);
    }
    let answer = operators::page(&format!("http://{address}"), page).await;
    answer.is_ok_and(|page| page.body == "alive\n" || page.body.contains("\"services\""))
}

/// Judges the ports.
pub fn judge(ports: &[Port]) -> Vec<Finding> {
    ports.iter().map(judged).collect()
}

fn judged(port: &Port) -> Finding {
    let Port {
        purpose,
        setting,
        address,
        state,
    } = port;
    let other = format!("choose another address with {setting}");
    match state {
        State::Free if address.port() == 0 => Finding::ok(
            AREA,
            format!("{purpose} will be any free one of {}", address.ip()),
        ),
        State::Free => Finding::ok(AREA, format!("{purpose}, {address}, is free")),
        State::Ours => Finding::ok(AREA, format!("a platform answers at {purpose}, {address}")),
        State::Taken => Finding::warning(
            AREA,
            format!(
                "somebody listens at {purpose}, {address}, who does not say that it is a platform"
            ),
            format!(
                "`ss -ltnp 'sport = {}'` shows who; stop it, or {other}",
                address.port()
            ),
        ),
        State::Impossible(why) => Finding::failed(
            AREA,
            format!("{purpose}, {address}, cannot be listened on: {why}"),
            other,
        ),
    }
}

#[cfg(test)]
mod tests {
    use super::super::finding::testing::counts;
    use super::*;

    fn port(state: State) -> Port {
        Port {
            purpose: "the public port",
            setting: "--listen",
            address: SocketAddr::from(([127, 0, 0, 1], 7400)),
            state,
        }
    }

    #[test]
    fn free_ports_and_our_own_are_fine() {
        assert_eq!(
            counts(&judge(&[port(State::Free), port(State::Ours)])),
            (0, 0)
        );
    }

    #[test]
    fn a_port_that_cannot_be_had_says_how_to_have_another() {
        let found = judge(&[
            port(State::Taken),
            port(State::Impossible("it is not this machine's".to_owned())),
        ]);
        assert_eq!(counts(&found), (1, 1));
        for finding in found {
            assert!(finding.mend.unwrap().contains("--listen"));
        }
    }

    #[tokio::test]
    async fn ports_are_free_or_taken() {
        let taken = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = taken.local_addr().unwrap();
        // Not asked for a page: it would not answer.
        assert_eq!(state(address, "").await, State::Taken);
        drop(taken);
        assert_eq!(state(address, "").await, State::Free);
        let elsewhere = SocketAddr::from(([192, 0, 2, 1], 7400));
        assert!(matches!(state(elsewhere, "").await, State::Impossible(_)));
    }

    #[tokio::test]
    async fn only_ports_that_the_services_take_are_looked_at() {
        let config = Config {
            listen: SocketAddr::from(([127, 0, 0, 1], 0)),
            ..Config::default()
        };
        assert_eq!(gather(&config, &["gateway", "orders"]).await.len(), 1);
        assert!(gather(&config, &["orders"]).await.is_empty());
    }
}
