//! A platform with something to look at.

use super::crowd::Crowd;
use super::outcry::Outcry;
use super::poison::poison;

/// A running platform: people trade there, and one message was parked by all who consume it.
pub struct Floor {
    outcry: Outcry,
    crowd: Crowd,
    address: String,
    administrator: toml::Table,
}

// === impl Floor ===

impl Floor {
    /// Starts it.
    pub async fn open() -> Self {
        let mut outcry = Outcry::new();
        // The folder is made by a first start; the message is put there while nobody consumes.
        tokio::task::block_in_place(|| {
            outcry.up();
            outcry.stop();
        });
        poison(&outcry).await;
        let log = outcry.folder().join("log");
        tokio::task::block_in_place(|| outcry.up_with_log(&log));
        let read = |name: &str| std::fs::read_to_string(outcry.data().join(name)).unwrap();
        let address = read("address").trim().to_owned();
        let administrator = toml::from_str(&read("administrator.toml")).unwrap();
        let crowd = Crowd::gather(&outcry.data()).await;
        Self {
            outcry,
            crowd,
            address,
            administrator,
        }
    }

    /// What whoever drives the browser is told.
    pub fn variables(&self) -> [(&'static str, String); 3] {
        let known = |name: &str| self.administrator[name].as_str().unwrap().to_owned();
        [
            ("OUTCRY_ADDRESS", self.address.clone()),
            ("OUTCRY_ADMIN_EMAIL", known("email")),
            ("OUTCRY_ADMIN_PASSWORD", known("password")),
        ]
    }

    /// Ends it; its books must add up after all that was done in the page.
    pub fn close(mut self) {
        drop(self.crowd);
        tokio::task::block_in_place(|| {
            self.outcry.stop();
            self.outcry.audit();
        });
    }
}
