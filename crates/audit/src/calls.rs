//! The records of calls: every chain of every service followed from its first record to its last.
//!
//! A chain holds when each record has the hash of what it says and of the record before it, when it
//! goes on to where its end is noted, and when every end that a later chain has named is still there.

use std::collections::BTreeMap;

use outcry_store::{Scan, Store, ViewRow};
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use crate::error::Outcome;
use crate::finding::Findings;
use crate::stores::{PAGE, Stores, failed};

/// Under which name breaches of this are reported.
const CALLS: &str = "calls";

/// View of the records, under `<run>/<number>`.
const RECORDS: &str = "call_records";

/// View of the chains' ends, under the run.
const CHAINS: &str = "call_chains";

/// One record, for listings.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct CallRecord {
    /// The service that was called.
    pub service: &'static str,
    /// Its place: the run of the service and the number in it.
    pub record: String,
    /// When the call ended, in nanoseconds since 1970.
    pub at_ns: i64,
    /// `call`, `denial`, `further` for denials that were only counted, `opened` or `closed`.
    pub kind: String,
    /// Path of the method.
    pub method: String,
    /// The service or edge that called.
    pub caller: String,
    /// The user it was for.
    pub user: String,
    /// Correlation id of the flow.
    pub flow: String,
    /// The gRPC code it ended with.
    pub code: i32,
    /// The reason, when it did not go well.
    pub reason: String,
    /// How many calls it stands for.
    pub count: u64,
}

/// A record as it is stored, in the order of its fields there.
#[derive(Debug, Serialize, Deserialize)]
struct Stored {
    at_ns: i64,
    kind: String,
    method: String,
    caller: String,
    user: String,
    flow: String,
    code: i32,
    reason: String,
    count: u64,
    previous: Vec<Link>,
    hash: String,
}

/// The end of an earlier chain that a chain names when it begins.
#[derive(Debug, Serialize, Deserialize)]
struct Link {
    run: String,
    number: u64,
    hash: String,
}

/// Where a chain ends.
#[derive(Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
struct End {
    number: u64,
    hash: String,
    closed: bool,
}

/// One chain as far as it was followed.
#[derive(Default)]
struct Followed {
    end: End,
    broken: bool,
}

/// Records of calls for which `wanted` says so, in the order of time.
///
/// # Errors
/// A store cannot be read. Records that are no records are left out: [`examine`](crate::examine)
/// names them.
pub async fn recorded_calls(
    stores: &Stores,
    wanted: impl Fn(&CallRecord) -> bool,
) -> Outcome<Vec<CallRecord>> {
    let mut records = Vec::new();
    for (service, store) in stores.services() {
        let mut after = None;
        while let Some(page) = page(service, store, RECORDS, &mut after).await? {
            let rows = page.into_iter();
            let read = rows.filter_map(|row| {
                let stored = Stored::read(&row).ok()?;
                Some(stored.shown(service, row.key))
            });
            records.extend(read.filter(&wanted));
        }
    }
    records.sort_by(|one, other| (one.at_ns, &one.record).cmp(&(other.at_ns, &other.record)));
    Ok(records)
}

pub(crate) async fn check(stores: &Stores, findings: &mut Findings) -> Outcome<()> {
    for (service, store) in stores.services() {
        let mut chains: BTreeMap<String, Followed> = BTreeMap::new();
        let mut after = None;
        while let Some(page) = page(service, store, RECORDS, &mut after).await? {
            for row in page {
                follow(service, store, &row, &mut chains, findings).await?;
            }
        }
        check_ends(service, store, &mut chains, findings).await?;
    }
    Ok(())
}

/// Follows a chain to its next record.
async fn follow(
    service: &'static str,
    store: &dyn Store,
    row: &ViewRow,
    chains: &mut BTreeMap<String, Followed>,
    findings: &mut Findings,
) -> Outcome<()> {
    let (run, number) = row.key.split_once('/').unwrap_or((&row.key, ""));
    let chain = chains.entry(run.to_owned()).or_default();
    // Behind a record that does not hold, nothing can be said.
    if chain.broken {
        return Ok(());
    }
    let expected = chain.end.number + 1;
    let found = number.parse().unwrap_or(0);
    let judged = Stored::read(row).and_then(|stored| {
        if found != expected || number != format!("{expected:012}") {
            return Err(format!("it follows number {}", chain.end.number));
        }
        stored.check(run, found, &chain.end)?;
        Ok(stored)
    });
    let subject = format!("{service} record {}", row.key);
    let stored = match judged {
        Ok(stored) => stored,
        Err(what) => {
            chain.broken = true;
            findings.expect(CALLS, false, subject, || what);
            return Ok(());
        }
    };
    findings.expect(CALLS, true, &subject, String::new);
    chain.end = End {
        number: found,
        closed: stored.kind == "closed",
        hash: stored.hash,
    };
    for link in stored.previous {
        let key = format!("{}/{:012}", link.run, link.number);
        let named = store.view(RECORDS, &key).await.map_err(failed(service))?;
        let holds = named
            .is_some_and(|row| Stored::read(&row).is_ok_and(|stored| stored.hash == link.hash));
        let at = format!("{service} record {key}");
        findings.expect(CALLS, holds, at, || {
            format!("it is not there as {} has seen it", row.key)
        });
    }
    Ok(())
}

/// Whether every chain goes on to where its end is noted.
async fn check_ends(
    service: &'static str,
    store: &dyn Store,
    chains: &mut BTreeMap<String, Followed>,
    findings: &mut Findings,
) -> Outcome<()> {
    let mut after = None;
    while let Some(page) = page(service, store, CHAINS, &mut after).await? {
        for row in page {
            let chain = chains.remove(&row.key).unwrap_or_default();
            if chain.broken {
                continue;
            }
            let end = row.decode::<End>().unwrap_or_default();
            let next = format!("{service} record {}/{:012}", row.key, chain.end.number + 1);
            findings.expect(CALLS, end == chain.end, next, || {
                format!("the chain is noted to end with number {}", end.number)
            });
        }
    }
    for (run, chain) in chains.iter().filter(|(_, chain)| !chain.broken) {
        let last = format!("{service} record {run}/{:012}", chain.end.number);
        findings.expect(CALLS, false, last, || {
            "it is noted nowhere where its chain ends".to_owned()
        });
    }
    Ok(())
}

/// The next rows of a view by key; none behind the last.
async fn page(
    service: &'static str,
    store: &dyn Store,
    view: &'static str,
    after: &mut Option<String>,
) -> Outcome<Option<Vec<ViewRow>>> {
    let scan = Scan::new(view).limit(PAGE).after(after.take());
    let page = store.scan(&scan).await.map_err(failed(service))?;
    *after = page.last().map(|row| row.cursor.clone());
    Ok((!page.is_empty()).then_some(page))
}

// === impl Stored ===

impl Stored {
    /// The record of a row, if it is written as records are, to the byte.
    fn read(row: &ViewRow) -> Result<Self, String> {
        let stored: Self = row
            .decode()
            .map_err(|_| "it cannot be read as a record".to_owned())?;
        if serde_json::to_vec(&stored).ok().as_ref() != Some(&row.body) {
            return Err("it is not written as records are".to_owned());
        }
        Ok(stored)
    }

    /// Whether it belongs behind the end of its chain.
    fn check(&self, run: &str, number: u64, before: &End) -> Result<(), String> {
        if before.closed {
            return Err("its chain has ended before it".to_owned());
        }
        if (self.kind == "opened") != (number == 1) {
            return Err("it is not where a chain begins".to_owned());
        }
        if self.hash != self.computed(run, number, &before.hash) {
            return Err("its hash is not that of what it says and of the record before".to_owned());
        }
        Ok(())
    }

    /// The hash it must have: every text is preceded by its length, every number has its width.
    fn computed(&self, run: &str, number: u64, before: &str) -> String {
        let mut digest = Sha256::new();
        let text = |digest: &mut Sha256, text: &str| {
            digest.update((text.len() as u64).to_be_bytes());
            digest.update(text.as_bytes());
        };
        text(&mut digest, before);
        text(&mut digest, run);
        digest.update(number.to_be_bytes());
        digest.update(self.at_ns.to_be_bytes());
        let texts = [
            &self.kind,
            &self.method,
            &self.caller,
            &self.user,
            &self.flow,
        ];
        for part in texts {
            text(&mut digest, part);
        }
        digest.update(self.code.to_be_bytes());
        text(&mut digest, &self.reason);
        digest.update(self.count.to_be_bytes());
        digest.update((self.previous.len() as u64).to_be_bytes());
        for link in &self.previous {
            text(&mut digest, &link.run);
            digest.update(link.number.to_be_bytes());
            text(&mut digest, &link.hash);
        }
        let bytes = digest.finalize();
        bytes.iter().map(|byte| format!("{byte:02x}")).collect()
    }

    fn shown(self, service: &'static str, record: String) -> CallRecord {
        CallRecord {
            service,
            record,
            at_ns: self.at_ns,
            kind: self.kind,
            method: self.method,
            caller: self.caller,
            user: self.user,
            flow: self.flow,
            code: self.code,
            reason: self.reason,
            count: self.count,
        }
    }
}
