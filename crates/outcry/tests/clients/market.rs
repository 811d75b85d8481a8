//! A platform on RabbitMQ with somebody who sells, so that whoever buys is filled.

use std::net::TcpListener;
use std::path::Path;

use outcry_contracts::orders::v1::{RejectReason, Side};
use outcry_servers::RabbitMq;
use serde_json::Value;

use super::outcry::Outcry;
use super::person::{Person, connect, issue, limit, place};

/// What is traded.
pub const SYMBOL: &str = "MSFT";
/// For how much.
pub const PRICE: &str = "100";
/// Shares on sale: more than all who buy want.
const ON_SALE: i64 = 1_000;

/// A running platform and its broker.
pub struct Market {
    pub rabbit: RabbitMq,
    outcry: Outcry,
    pub address: String,
    /// Where a page may be served from that calls the platform.
    pub page_port: u16,
}

// === impl Market ===

impl Market {
    /// Starts both and puts shares on sale.
    pub async fn open() -> Self {
        let rabbit = RabbitMq::start().await.unwrap();
        let page_port = free_port();
        let origins = format!("[\"http://127.0.0.1:{page_port}\"]");
        let variables = [
            ("OUTCRY_BROKER__URL", rabbit.url()),
            ("OUTCRY_BROKER__MANAGEMENT_URL", rabbit.management_url()),
            ("OUTCRY_BROKER__CLOUD_EVENTS_AMQP_1", "true".to_owned()),
            // For the tools that ask a server for its contract.
            ("OUTCRY_GATEWAY__REFLECTION", "true".to_owned()),
            ("OUTCRY_GATEWAY__ALLOWED_ORIGINS", origins),
        ];
        let variables = variables.map(|(name, value)| (name.to_owned(), value));
        let mut outcry = Outcry::with(variables.into());
        let log = outcry.folder().join("log");
        tokio::task::block_in_place(|| outcry.up_with_log(&log));
        let address = std::fs::read_to_string(outcry.data().join("address")).unwrap();
        sell(&outcry.data()).await;
        Self {
            rabbit,
            outcry,
            address: address.trim().to_owned(),
            page_port,
        }
    }

    /// Ends the platform, whose books must add up.
    pub fn close(mut self) {
        tokio::task::block_in_place(|| {
            self.outcry.stop();
            self.outcry.audit();
        });
    }

    /// The same after strangers have published events: those it must name, and nothing else.
    pub fn close_after(mut self, strangers: &[String]) {
        let audit = tokio::task::block_in_place(|| {
            self.outcry.stop();
            self.outcry.verb(&["audit", "--json"])
        });
        let report: Value = serde_json::from_slice(&audit.stdout).unwrap();
        let breaches = report["breaches"].as_array().unwrap();
        assert!(!breaches.is_empty(), "{report:#}");
        for breach in breaches {
            assert_eq!(breach["what"], "archived, but in no store", "{breach:#}");
            let named = breach["subject"].as_str().unwrap();
            assert!(strangers.iter().any(|one| one == named), "{breach:#}");
        }
        assert_eq!(audit.status.code(), Some(1));
    }

    /// What a client's program is told, as somebody of its own.
    pub fn variables(&self, name: &str) -> Vec<(&'static str, String)> {
        vec![
            ("OUTCRY_ADDRESS", self.address.clone()),
            ("OUTCRY_AMQP", self.rabbit.url()),
            ("OUTCRY_EMAIL", format!("{name}@clients.example")),
            ("OUTCRY_PASSWORD", "correct horse battery".to_owned()),
        ]
    }
}

fn free_port() -> u16 {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    listener.local_addr().unwrap().port()
}

/// Somebody gets shares and puts them on sale.
async fn sell(data: &Path) {
    let channel = connect(data).await;
    let admin = Person::administrator(&channel, data).await;
    let seller = Person::register(
        &channel,
        "seller@clients.example",
        "correct horse battery",
        "seller",
    )
    .await;
    seller.has_cash("0", "0").await;
    issue(&admin, &seller, SYMBOL, ON_SALE).await;
    let order = place(&seller, limit(SYMBOL, Side::Sell, ON_SALE, PRICE)).await;
    assert_eq!(order.reject_reason(), RejectReason::Unspecified);
}
