//! Nothing is derived from anything but the contract, and everything from it: the chart's file of the
//! contract is the one that the binary prints, and a line changed in it changes every object that
//! comes of it, and no other.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::Path;
use std::time::Duration;

use serde_json::Value;
use tokio::process::Command;

use super::render::{attempt, chart, name_of, objects, values};
use super::tools::{present, prints};

/// How long the binary may take to print something.
const PRINT_MAX: Duration = Duration::from_secs(60);

/// The contract as the chart has it, from the chart's folder.
pub const FILE: &str = "files/contract.yaml";

/// What the binary prints.
pub async fn outcry(arguments: &[&str]) -> String {
    let mut outcry = Command::new(env!("CARGO_BIN_EXE_outcry"));
    outcry.args(arguments).env_clear();
    prints(outcry, PRINT_MAX, &arguments.join(" ")).await
}

/// The contract as the binary prints it.
pub async fn contract() -> Value {
    let printed = objects(&outcry(&["schema", "services"]).await).await;
    printed.into_iter().next().unwrap()
}

#[tokio::test]
async fn the_file_is_what_the_contract_says() {
    let file = fs::read_to_string(chart().join(FILE)).unwrap();
    let printed = outcry(&["schema", "services"]).await;
    assert!(
        file == printed,
        "helm/outcry/{FILE} is not what the contract says: run `cargo xtask chart`"
    );
}

/// Objects by kind and name.
type Rendered = BTreeMap<(String, String), Value>;

/// A line of the contract, changed.
struct Change {
    what: &'static str,
    /// What stands there; its first occurrence is changed.
    from: &'static str,
    to: &'static str,
    /// Kinds of the objects that change with it, and no others.
    kinds: &'static [&'static str],
}

const CHANGES: [Change; 6] = [
    Change {
        what: "a caller more",
        from: "callers: [orders, ledger, gateway]",
        to: "callers: [orders, ledger, reports, gateway]",
        kinds: &["NetworkPolicy"],
    },
    Change {
        what: "another event published",
        from: "- report.failed\n",
        to: "- report.lost\n",
        kinds: &["TopicPermission"],
    },
    Change {
        what: "another event consumed",
        from: "- funds.settled\n  - name: funds",
        to: "- funds.locked\n  - name: funds",
        kinds: &["Binding", "TopicPermission"],
    },
    Change {
        what: "a partition more",
        from: "partitions: 1\n",
        to: "partitions: 2\n",
        kinds: &["Binding", "Queue"],
    },
    Change {
        what: "fewer slots",
        from: "slots: 256",
        to: "slots: 128",
        kinds: &["Binding"],
    },
    Change {
        what: "a service of another name",
        from: "- name: funds\n",
        to: "- name: cash\n",
        kinds: &[
            "Binding",
            "Certificate",
            "ConfigMap",
            "Deployment",
            "Exchange",
            "Job",
            "NetworkPolicy",
            "Permission",
            "Queue",
            "Service",
            "ServiceAccount",
            "TopicPermission",
            "User",
        ],
    },
];

#[tokio::test]
async fn a_changed_line_of_the_contract_changes_what_comes_of_it_and_nothing_else() {
    if !present().await {
        return;
    }
    let as_it_is = fs::read_to_string(chart().join(FILE)).unwrap();
    let before = with_contract(&as_it_is).await.unwrap();
    assert_eq!(
        before,
        by_name(&attempt(&chart(), &values("operators")).await.unwrap()).await,
        "a copy of the chart renders as the chart does"
    );
    for change in CHANGES {
        let after = with_contract(&changed(&as_it_is, change.from, change.to))
            .await
            .unwrap_or_else(|refused| panic!("{}: {refused}", change.what));
        let kinds: BTreeSet<&str> = before
            .keys()
            .chain(after.keys())
            .filter(|&key| before.get(key) != after.get(key))
            .map(|(kind, _)| kind.as_str())
            .collect();
        let expected: BTreeSet<&str> = change.kinds.iter().copied().collect();
        assert_eq!(kinds, expected, "{}", change.what);
    }
}

#[tokio::test]
async fn scaling_by_events_goes_by_the_group_that_the_contract_gives_the_service() {
    if !present().await {
        return;
    }
    let as_it_is = fs::read_to_string(chart().join(FILE)).unwrap();
    for (from, to, refusal) in [
        (
            "partitions: 8\n      topics:\n        - user.created\n        - funds.settled",
            "partitions: 2\n      topics:\n        - user.created\n        - funds.settled",
            "services.portfolio.keda: maxReplicas is 4, and its events have 2 partitions",
        ),
        (
            "publishes: []\n    consumes:\n      partitions: 8",
            "publishes: []\n    consumed:\n      partitions: 8",
            "services.portfolio.keda: the service consumes no events",
        ),
    ] {
        let refused = with_contract(&changed(&as_it_is, from, to))
            .await
            .unwrap_err();
        assert!(refused.contains(refusal), "{refused}");
    }
}

fn changed(contract: &str, from: &str, to: &str) -> String {
    let changed = contract.replacen(from, to, 1);
    assert_ne!(changed, contract, "nothing to change: {from}");
    changed
}

/// What a copy of the chart with another contract renders, or why it does not.
async fn with_contract(contract: &str) -> Result<Rendered, String> {
    let folder = tempfile::tempdir().unwrap();
    let copy = folder.path().join("outcry");
    copy_folder(&chart(), &copy);
    fs::write(copy.join(FILE), contract).unwrap();
    let yaml = attempt(&copy, &values("operators")).await?;
    Ok(by_name(&yaml).await)
}

async fn by_name(yaml: &str) -> Rendered {
    let objects = objects(yaml).await.into_iter();
    objects
        .map(|object| {
            let kind = object["kind"].as_str().unwrap().to_owned();
            ((kind, name_of(&object).to_owned()), object)
        })
        .collect()
}

fn copy_folder(from: &Path, to: &Path) {
    fs::create_dir(to).unwrap();
    for entry in fs::read_dir(from).unwrap() {
        let entry = entry.unwrap();
        let target = to.join(entry.file_name());
        if entry.file_type().unwrap().is_dir() {
            copy_folder(&entry.path(), &target);
        } else {
            fs::copy(entry.path(), target).unwrap();
        }
    }
}
