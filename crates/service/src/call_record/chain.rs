//! Records and what links them: each is hashed together with the hash of the one before.

use std::collections::BTreeMap;
use std::time::SystemTime;

use outcry_mesh::{Ending, RecordedCall};
use outcry_store::timer::nanos;
use outcry_store::{Commit, Scan, Store, StoreError, ViewRow, ViewWrite};
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

/// View of the records, under `<run>/<number>`.
pub(crate) const RECORDS: &str = "call_records";

/// View of the chains' ends, under the run.
pub(crate) const CHAINS: &str = "call_chains";

/// View of the ends that later chains have named, under the run of the chain that was named.
pub(crate) const NAMED: &str = "call_chains_named";

/// Ends a chain names when it begins: of the newest chains, which are all that run at the same time
/// and those that ended since the service was started last.
const NAMED_MAX: usize = 64;

/// What a record is about.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Kind {
    /// The chain begins.
    Opened,
    /// A call that may have changed something.
    Call,
    /// A call that was refused.
    Denial,
    /// So many more refused in the same way.
    Further,
    /// The chain ends in order.
    Closed,
}

impl Kind {
    fn name(self) -> &'static str {
        match self {
            Self::Opened => "opened",
            Self::Call => "call",
            Self::Denial => "denial",
            Self::Further => "further",
            Self::Closed => "closed",
        }
    }
}

/// The end of another chain as it was then.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Link {
    run: String,
    number: u64,
    hash: String,
}

/// A record before it has its place in a chain. The order of the fields is that of the stored JSON.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Entry {
    at_ns: i64,
    kind: Kind,
    method: String,
    caller: String,
    user: String,
    flow: String,
    code: i32,
    reason: String,
    count: u64,
    previous: Vec<Link>,
}

/// A record in its place.
#[derive(Debug, Serialize)]
struct Record<'a> {
    #[serde(flatten)]
    entry: &'a Entry,
    hash: &'a str,
}

/// Where a chain ends.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
struct End {
    number: u64,
    hash: String,
    closed: bool,
}

/// Which end of a chain was named, and by which chain.
#[derive(Debug, Serialize, Deserialize)]
struct Named {
    number: u64,
    by: String,
}

/// The chain of one run as far as it is written.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Chain {
    run: String,
    number: u64,
    hash: String,
    closed: bool,
    /// How often its end was written.
    version: u64,
}

// === impl Entry ===

impl Entry {
    fn new(at: SystemTime, kind: Kind) -> Self {
        Self {
            at_ns: nanos(at).unwrap_or_default(),
            kind,
            method: String::new(),
            caller: String::new(),
            user: String::new(),
            flow: String::new(),
            code: 0,
            reason: String::new(),
            count: 0,
            previous: Vec::new(),
        }
    }

    fn about(at: SystemTime, kind: Kind, call: RecordedCall, ending: Ending) -> Self {
        Self {
            method: call.method,
            caller: call.caller,
            user: call.user,
            flow: call.correlation_id.to_string(),
            code: ending.code as i32,
            reason: ending.reason,
            count: 1,
            ..Self::new(at, kind)
        }
    }

    /// A call that may have changed something.
    pub(crate) fn call(at: SystemTime, call: RecordedCall, ending: Ending) -> Self {
        Self::about(at, Kind::Call, call, ending)
    }

    /// A call that was refused.
    pub(crate) fn denial(at: SystemTime, call: RecordedCall, ending: Ending) -> Self {
        Self::about(at, Kind::Denial, call, ending)
    }

    /// The last record of a chain.
    pub(super) fn closed(at: SystemTime) -> Self {
        Self::new(at, Kind::Closed)
    }

    /// When, in nanoseconds.
    pub(super) fn at_ns(&self) -> i64 {
        self.at_ns
    }

    /// How many calls it stands for.
    #[cfg(test)]
    pub(super) fn count(&self) -> u64 {
        self.count
    }

    /// What denials of one kind have in common: method, caller, code and reason.
    pub(super) fn sort(&self) -> (String, String, i32, String) {
        let (method, caller) = (self.method.clone(), self.caller.clone());
        (method, caller, self.code, self.reason.clone())
    }

    /// `count` more denials of this sort.
    pub(super) fn further(
        at_ns: i64,
        (method, caller, code, reason): (String, String, i32, String),
        count: u64,
    ) -> Self {
        Self {
            at_ns,
            method,
            caller,
            code,
            reason,
            count,
            ..Self::new(SystemTime::UNIX_EPOCH, Kind::Further)
        }
    }

    /// The hash of this as number `number` of a chain, behind a record of hash `before`. Every text
    /// is preceded by its length and every number has its width, so bytes have one meaning each.
    fn hash(&self, run: &str, number: u64, before: &str) -> String {
        let mut digest = Sha256::new();
        let text = |digest: &mut Sha256, text: &str| {
            digest.update((text.len() as u64).to_be_bytes());
            digest.update(text.as_bytes());
        };
        text(&mut digest, before);
        text(&mut digest, run);
        digest.update(number.to_be_bytes());
        digest.update(self.at_ns.to_be_bytes());
        text(&mut digest, self.kind.name());
        for part in [&self.method, &self.caller, &self.user, &self.flow] {
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
}

// === impl Chain ===

impl Chain {
    /// A new chain, and its first record: it names the ends of those before that nobody has named.
    pub(super) async fn open(
        store: &dyn Store,
        run: String,
        at: SystemTime,
    ) -> Result<(Self, Commit), StoreError> {
        let newest = |view| Scan::new(view).reverse().limit(NAMED_MAX);
        let mut named: BTreeMap<String, Named> = BTreeMap::new();
        for row in store.scan(&newest(NAMED)).await? {
            named.insert(row.key.clone(), row.decode()?);
        }
        let mut commit = Commit::default();
        let mut previous = Vec::new();
        for row in store.scan(&newest(CHAINS)).await? {
            let end: End = row.decode()?;
            let is_named = named
                .get(&row.key)
                .is_some_and(|named| named.number >= end.number);
            if row.key == run || is_named {
                continue;
            }
            let by = Named {
                number: end.number,
                by: run.clone(),
            };
            commit.views.push(ViewWrite::put(NAMED, &row.key, &by)?);
            previous.push(Link {
                run: row.key,
                number: end.number,
                hash: end.hash,
            });
        }
        previous.reverse();
        let opened = Entry {
            previous,
            ..Entry::new(at, Kind::Opened)
        };
        let mut chain = Self {
            run,
            number: 0,
            hash: String::new(),
            closed: false,
            version: 0,
        };
        commit.views.extend(chain.extend(&[opened])?);
        Ok((chain, commit))
    }

    /// Adds records at the end; what is to be written for it, all or nothing.
    pub(super) fn extend(&mut self, entries: &[Entry]) -> Result<Vec<ViewWrite>, StoreError> {
        let mut writes = Vec::with_capacity(entries.len() + 1);
        for entry in entries {
            self.number += 1;
            self.hash = entry.hash(&self.run, self.number, &self.hash);
            self.closed = entry.kind == Kind::Closed;
            let record = Record {
                entry,
                hash: &self.hash,
            };
            let key = format!("{}/{:012}", self.run, self.number);
            writes.push(ViewWrite::put(RECORDS, key, &record)?.expect(0));
        }
        let end = ViewWrite::put(CHAINS, &self.run, &self.end())?;
        writes.push(end.expect(self.version));
        self.version += 1;
        Ok(writes)
    }

    fn end(&self) -> End {
        End {
            number: self.number,
            hash: self.hash.clone(),
            closed: self.closed,
        }
    }

    /// Whether this is where the chain ends in the store, too.
    pub(super) async fn is_stored(&self, store: &dyn Store) -> Result<bool, StoreError> {
        let row: Option<ViewRow> = store.view(CHAINS, &self.run).await?;
        let end: Option<End> = row.map(|row| row.decode()).transpose()?;
        Ok(end == Some(self.end()))
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn entry() -> impl Strategy<Value = Entry> {
        let text = || "[a-z/]{0,6}";
        let texts = (text(), text(), text(), text(), text());
        (any::<i64>(), texts, any::<i32>(), any::<u64>()).prop_map(
            |(at_ns, (method, caller, user, flow, reason), code, count)| Entry {
                at_ns,
                method,
                caller,
                user,
                flow,
                code,
                reason,
                count,
                ..Entry::new(SystemTime::UNIX_EPOCH, Kind::Call)
            },
        )
    }

    proptest! {
        #[test]
        fn records_that_differ_in_anything_have_different_hashes(
            one in entry(), other in entry(), number in 1_u64..9,
        ) {
            let hash = |entry: &Entry| entry.hash("run", number, "before");
            prop_assert_eq!(one == other, hash(&one) == hash(&other));
            prop_assert_ne!(one.hash("run", number, "before"), one.hash("run", number + 1, "before"));
            prop_assert_ne!(one.hash("run", number, "before"), one.hash("runb", number, "efore"));
        }

        /// Text that moves from one field into the next is another record.
        #[test]
        fn where_a_text_ends_belongs_to_the_hash(text in "[a-z]{1,8}", cut in 0_usize..8) {
            let (left, right) = text.split_at(cut.min(text.len() - 1));
            let of = |caller: &str, user: &str| {
                let base = Entry::new(SystemTime::UNIX_EPOCH, Kind::Call);
                let entry = Entry { caller: caller.to_owned(), user: user.to_owned(), ..base };
                entry.hash("run", 1, "")
            };
            prop_assert_ne!(of(left, right), of(&text, ""));
        }
    }

    #[test]
    fn every_record_depends_on_all_before_it() {
        let chain = || Chain {
            run: "run".to_owned(),
            number: 0,
            hash: String::new(),
            closed: false,
            version: 0,
        };
        let entry = |count| Entry {
            count,
            ..Entry::new(SystemTime::UNIX_EPOCH, Kind::Call)
        };
        let (mut all, mut parts, mut other) = (chain(), chain(), chain());
        let writes = all.extend(&[entry(1), entry(2), entry(3)]).unwrap();
        assert_eq!(writes.len(), 4);
        parts.extend(&[entry(1)]).unwrap();
        parts.extend(&[entry(2), entry(3)]).unwrap();
        other.extend(&[entry(9), entry(2), entry(3)]).unwrap();
        assert_eq!((all.number, &all.hash), (parts.number, &parts.hash));
        assert_ne!(all.hash, other.hash);
    }
}
