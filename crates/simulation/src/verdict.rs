//! The verdict on a world that has come to rest: what is wrong, by invariant.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::UNIX_EPOCH;

use outcry_audit::{AuditError, Findings, Stores, examine};
use outcry_contracts::ledger::v1::ledger_service_client::LedgerServiceClient;
use outcry_contracts::ledger::v1::{ReconcileRequest, VerifyJournalRequest};
use outcry_contracts::trades::v1::GetBookRequest;
use outcry_contracts::trades::v1::trade_service_client::TradeServiceClient;
use outcry_events::SealedEvent;
use outcry_events::topic::topic_matches;
use outcry_service::Clock;
use outcry_store::Store;
use sha2::{Digest, Sha256};
use uuid::Uuid;

use crate::clock::BEGINNING;
use crate::people::People;
use crate::plan::SYMBOLS;
use crate::running::Running;
use crate::store::{MemoryData, MemoryStore};

impl Running {
    /// What the audit finds now.
    pub(crate) async fn findings(&self) -> Result<Findings, AuditError> {
        let stores: Stores = self
            .data
            .iter()
            .map(|(service, data)| {
                let clock = Arc::clone(&self.clock);
                let time = Arc::new(move || clock.now());
                let store: Arc<dyn Store> = Arc::new(MemoryStore::open(data, time));
                (*service, store)
            })
            .collect();
        let (_, findings) = examine(&stores).await?;
        Ok(findings)
    }

    /// Everything that is wrong, by invariant.
    pub(crate) async fn judge(&self) -> Vec<String> {
        let mut wrong = Vec::new();
        match self.findings().await {
            Ok(findings) => {
                let breaches = findings.breaches.iter();
                wrong.extend(breaches.map(|breach| {
                    format!("{}: {}: {}", breach.invariant, breach.subject, breach.what)
                }));
                let pending = findings.pending.iter();
                wrong.extend(pending.map(|(what, count)| {
                    format!("I14: {count} × {what} although nothing is under way")
                }));
            }
            Err(error) => wrong.push(format!("audit: {error}")),
        }
        wrong.extend(self.not_noted());
        let people = self.people(Vec::new());
        let ledger = LedgerServiceClient::new(people.admin("ledger"));
        let call = |ask| {
            let mut ledger = ledger.clone();
            async move { ledger.verify_journal(ask).await }
        };
        match people
            .asked("VerifyJournal", VerifyJournalRequest {}, call)
            .await
        {
            Some(journal) if journal.intact => {}
            other => wrong.push(format!("I1: the journal is not intact: {other:?}")),
        }
        let call = |ask| {
            let mut ledger = ledger.clone();
            async move { ledger.reconcile(ask).await }
        };
        match people.asked("Reconcile", ReconcileRequest {}, call).await {
            Some(found) if found.differences.is_empty() => {}
            other => wrong.push(format!("I1: ledger and custody differ: {other:?}")),
        }
        wrong
    }

    /// Groups that have not noted an event of theirs: they would handle it again.
    fn not_noted(&self) -> Vec<String> {
        let mut wrong = Vec::new();
        for group in self.exchange.groups() {
            let Some(data) = self.data.get(group.name.as_str()) else {
                continue;
            };
            let noted: BTreeSet<Uuid> = data.handled(&group.name).into_iter().collect();
            let wants = |event: &SealedEvent| {
                let mut topics = group.topics.iter();
                topics.any(|pattern| topic_matches(pattern, event.topic()))
            };
            let events = self.data.values().flat_map(MemoryData::events);
            let mut missing = events
                .map(|stored| stored.event)
                .filter(|event| wants(event) && !noted.contains(&event.id()));
            if let Some(event) = missing.next() {
                let (name, topic, id) = (&group.name, event.topic(), event.id());
                let more = missing.count();
                wrong.push(format!(
                    "I14: {name} has not noted that it handled {topic} {id}, and {more} more"
                ));
            }
        }
        wrong
    }

    /// Has the venue start again, and compares its books with those before.
    pub(crate) async fn compare_books(&mut self, people: &People) -> Vec<String> {
        let before = books(people).await;
        if let Err(problem) = self.restart_the_venue().await {
            return vec![format!("I13: {problem}")];
        }
        let after = books(people).await;
        if before == after {
            Vec::new()
        } else {
            vec![format!(
                "I13: books before a restart {before}, after {after}"
            )]
        }
    }

    /// Every event, a line each, service by service.
    pub(crate) fn log(&self) -> Vec<String> {
        let line = |service, event: &SealedEvent| {
            let since = event.recorded_at().unwrap_or(event.occurred_at());
            let since = since.duration_since(UNIX_EPOCH + BEGINNING);
            format!(
                "{:>12.6} {service} {} {} {}",
                since.unwrap_or_default().as_secs_f64(),
                event.stream(),
                event.sequence(),
                event.topic()
            )
        };
        let events = |(service, data): (&&'static str, &MemoryData)| {
            let service = *service;
            let events = data.events().into_iter();
            events.map(move |stored| line(service, &stored.event))
        };
        self.data.iter().flat_map(events).collect()
    }

    /// Hash over every event of every service.
    pub(crate) fn digest(&self) -> [u8; 32] {
        let mut hash = Sha256::new();
        for (service, data) in &self.data {
            hash.update(service.as_bytes());
            for stored in data.events() {
                hash.update(stored.position.to_be_bytes());
                hash.update(stored.event.bytes());
            }
        }
        hash.finalize().into()
    }
}

/// The books of all symbols as text.
async fn books(people: &People) -> String {
    let trades = TradeServiceClient::new(people.admin("trades"));
    let mut books = Vec::new();
    for symbol in SYMBOLS {
        let ask = GetBookRequest {
            symbol: symbol.to_owned(),
            depth: 100,
        };
        let call = |ask| {
            let mut trades = trades.clone();
            async move { trades.get_book(ask).await }
        };
        books.push(format!("{:?}", people.asked("GetBook", ask, call).await));
    }
    books.join("; ")
}
