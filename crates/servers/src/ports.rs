//! Where servers listen.

use std::net::{Ipv4Addr, TcpListener};
use std::ops::Range;

use rand::Rng;

use crate::ServerError;

/// Below the range from which operating systems take ports for outgoing connections, so that
/// nobody gets the port of a server while it is down.
const RANGE: Range<u16> = 15_000..32_000;

/// Tries before giving up: with so many a machine has no free port at all.
const TRIES: usize = 1_000;

/// How often a server is started anew because somebody got its port between choosing and
/// listening.
pub(crate) const STARTS: usize = 4;

/// Different free ports on loopback.
pub(crate) fn free<const N: usize>() -> Result<[u16; N], ServerError> {
    let mut ports = [0; N];
    // Held until all are chosen: they differ.
    let mut held = Vec::new();
    for port in &mut ports {
        let listener = listen()?;
        *port = listener
            .local_addr()
            .map_err(ServerError::io("ask for a port"))?
            .port();
        held.push(listener);
    }
    Ok(ports)
}

/// A listener on a free loopback port.
pub(crate) fn listen() -> Result<TcpListener, ServerError> {
    let mut last = std::io::Error::other("no port tried");
    for _ in 0..TRIES {
        let port = rand::rng().random_range(RANGE);
        match TcpListener::bind((Ipv4Addr::LOCALHOST, port)) {
            Ok(listener) => return Ok(listener),
            Err(error) => last = error,
        }
    }
    Err(ServerError::io("find a free port")(last))
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn ports_chosen_together_differ() {
        let ports = free::<8>().expect("free ports");
        assert_eq!(BTreeSet::from(ports).len(), 8);
    }
}
