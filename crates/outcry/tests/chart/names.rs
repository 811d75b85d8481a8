//! The cluster's DNS, as far as pods ask: addresses of names, over UDP.

use std::collections::BTreeMap;
use std::net::Ipv4Addr;
use std::sync::{Arc, Mutex, PoisonError};

use tokio::net::UdpSocket;

use super::network::Network;

/// Seconds for which an answer may be kept.
const GOOD_FOR: [u8; 4] = [0, 0, 0, 5];

/// More than any question that fits into DNS over UDP.
const QUESTION_MAX: usize = 512;

/// Length of a message's header.
const HEADER: usize = 12;

/// Codes of an address (A), and of the one class there is.
const ADDRESS: [u8; 4] = [0, 1, 0, 1];

/// Names and whom they lead to. Cheap to clone.
#[derive(Clone, Default)]
pub struct Names(Arc<Mutex<BTreeMap<String, Vec<Ipv4Addr>>>>);

// === impl Names ===

impl Names {
    /// From now on a name leads to these.
    pub fn set(&self, name: &str, addresses: Vec<Ipv4Addr>) {
        let mut names = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        names.insert(name.to_owned(), addresses);
    }

    fn find(&self, name: &str) -> Vec<Ipv4Addr> {
        let names = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        names.get(name).cloned().unwrap_or_default()
    }

    /// Answers at an address of the node.
    pub async fn serve(&self, network: &Network) -> Ipv4Addr {
        let address = network.address();
        let bound = network.on_node(UdpSocket::bind((address, 53)));
        let socket = bound.await.unwrap();
        let names = self.clone();
        network.forever_on_node(async move {
            let mut message = [0; QUESTION_MAX];
            loop {
                // An answer to somebody who has gone comes back as an error.
                let Ok((length, from)) = socket.recv_from(&mut message).await else {
                    continue;
                };
                if let Some(answer) = names.answer(&message[..length]) {
                    let _gone = socket.send_to(&answer, from).await;
                }
            }
        });
        address
    }

    /// The answer to a message with one question; none to what is no question.
    fn answer(&self, message: &[u8]) -> Option<Vec<u8>> {
        let (name, end) = name(message)?;
        let kind = message.get(end..end + 4)?;
        let found = self.find(&name);
        let told: &[Ipv4Addr] = if kind == ADDRESS { &found } else { &[] };
        let mut answer = message.get(..2)?.to_vec();
        // An answer, recursion available; a name that leads nowhere does not exist.
        answer.extend([0x81, if found.is_empty() { 0x83 } else { 0x80 }]);
        answer.extend([0, 1, 0, u8::try_from(told.len()).ok()?, 0, 0, 0, 0]);
        answer.extend(message.get(HEADER..end + 4)?);
        for address in told {
            // The name is the one asked for, at the end of the header.
            answer.extend([0xc0, 0x0c]);
            answer.extend(ADDRESS);
            answer.extend(GOOD_FOR);
            answer.extend([0, 4]);
            answer.extend(address.octets());
        }
        Some(answer)
    }
}

/// The name that is asked for, and where it ends.
fn name(message: &[u8]) -> Option<(String, usize)> {
    let mut labels = Vec::new();
    let mut place = HEADER;
    loop {
        let length = usize::from(*message.get(place)?);
        place += 1;
        if length == 0 {
            return Some((labels.join("."), place));
        }
        let label = message.get(place..place + length)?;
        labels.push(String::from_utf8_lossy(label).to_lowercase());
        place += length;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn question(kind: u8) -> Vec<u8> {
        let mut message = vec![7, 9, 1, 0, 0, 1, 0, 0, 0, 0, 0, 0];
        message.extend(b"\x06ORDERS\x04mesh\x00");
        message.extend([0, kind, 0, 1]);
        message
    }

    #[test]
    fn a_name_is_answered_with_all_of_its_addresses() {
        let names = Names::default();
        let nowhere = names.answer(&question(1)).unwrap();
        assert_eq!((nowhere[3], nowhere[7]), (0x83, 0));
        names.set(
            "orders.mesh",
            vec![[10, 0, 0, 1].into(), [10, 0, 0, 2].into()],
        );
        let found = names.answer(&question(1)).unwrap();
        assert_eq!(found[..8], [7, 9, 0x81, 0x80, 0, 1, 0, 2]);
        assert!(found.ends_with(&[0, 4, 10, 0, 0, 2]));
        // There is such a name, and no address of another kind (AAAA).
        let other = names.answer(&question(28)).unwrap();
        assert_eq!((other[3], other[7]), (0x80, 0));
        assert_eq!(names.answer(&[1, 2, 3]), None);
    }
}
