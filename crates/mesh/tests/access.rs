//! Who may call what: every method of the contract for every caller there is, against a table that
//! people read.

#![expect(clippy::unwrap_used, reason = "a story that cannot go on fails there")]

use std::collections::BTreeSet;
use std::fmt::Write as _;
use std::path::PathBuf;

use outcry_mesh::authorize::service_of;
use outcry_mesh::{EDGE, Identity, Role, Rules, User};
use tonic::Code;

/// Writes the table anew instead of comparing with it.
const ACCEPT: &str = "OUTCRY_ACCEPT_ACCESS";

/// Every service that makes calls.
const SERVICES: [&str; 10] = [
    "users",
    "orders",
    "trades",
    "funds",
    "payments",
    "ledger",
    "portfolio",
    "reports",
    "notifications",
    "gateway",
];

/// What stands above the table.
const LEGEND: &str = "\
# Who may call what, as the contract's `access` options have it.
#
# yes      the call is let through
# sign-in  UNAUTHENTICATED: somebody has to be signed in
# -        PERMISSION_DENIED
# hidden   not reachable from outside: the gateway says UNIMPLEMENTED, as of a method that is not there
#
# nobody    a call without an identity
# visitor   through the gateway, not signed in
# user, viewer, admin   through the gateway, signed in with this one role
# stranger  a service the contract does not know
# all others are the platform's services, whoever they act for
";

struct Caller {
    name: &'static str,
    identity: Identity,
}

fn callers() -> Vec<Caller> {
    let caller = |name, caller: Option<&str>, role: Option<Role>| Caller {
        name,
        identity: Identity {
            caller: caller.map(str::to_owned),
            user: role.map(|role| User {
                id: "u1".to_owned(),
                roles: vec![role],
            }),
        },
    };
    let mut callers = vec![
        caller("nobody", None, None),
        caller("visitor", Some(EDGE), None),
        caller("user", Some(EDGE), Some(Role::User)),
        caller("viewer", Some(EDGE), Some(Role::Viewer)),
        caller("admin", Some(EDGE), Some(Role::Admin)),
    ];
    // A service that acts for an admin has its own rights and no more.
    callers.extend(SERVICES.map(|name| caller(name, Some(name), Some(Role::Admin))));
    callers.push(caller("stranger", Some("stranger"), Some(Role::Admin)));
    callers
}

fn cell(rules: &Rules, path: &str, identity: &Identity) -> &'static str {
    let denied = rules
        .check(path, identity)
        .err()
        .map(|status| status.code());
    let is_from_outside = identity.caller.as_deref() == Some(EDGE);
    let is_hidden = is_from_outside && rules.rule(path).is_none_or(|rule| !rule.at_the_edge());
    match denied {
        // Should the gateway fail to hide it, the service itself says no.
        Some(Code::PermissionDenied) if is_hidden => "hidden",
        Some(Code::PermissionDenied) => "-",
        Some(Code::Unauthenticated) => "sign-in",
        None if !is_hidden => "yes",
        other => panic!("{path} for {identity:?}: {other:?}"),
    }
}

fn table(rules: &Rules) -> String {
    let callers = callers();
    let longest = rules.iter().map(|(path, _)| name_of(path).len()).max();
    let first = longest.unwrap() + 2;
    let line = |name: &str, cells: Vec<&str>| {
        let mut line = format!("{name:first$}");
        for (cell, caller) in cells.iter().zip(&callers) {
            let width = caller.name.len().max("sign-in".len());
            write!(line, "  {cell:width$}").unwrap();
        }
        format!("{}\n", line.trim_end())
    };
    let mut table = format!("{LEGEND}\n");
    table += &line("", callers.iter().map(|caller| caller.name).collect());
    let mut service = None;
    for (path, _) in rules.iter() {
        if service_of(path) != service {
            service = service_of(path);
            write!(table, "\n{}\n", service.unwrap()).unwrap();
        }
        let cells = callers.iter();
        let cells = cells.map(|caller| cell(rules, path, &caller.identity));
        table += &line(&format!("  {}", name_of(path)), cells.collect());
    }
    table
}

fn name_of(path: &str) -> &str {
    path.rsplit_once('/').unwrap().1
}

#[test]
fn every_method_lets_in_exactly_whom_the_table_says() {
    let found = table(&Rules::of_the_contract());
    let file = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/access.golden");
    if std::env::var_os(ACCEPT).is_some() {
        std::fs::write(&file, &found).unwrap();
    }
    let accepted = std::fs::read_to_string(&file).unwrap_or_default();
    let mut differences = String::new();
    let (old, new): (BTreeSet<_>, BTreeSet<_>) =
        (accepted.lines().collect(), found.lines().collect());
    for line in old.difference(&new) {
        writeln!(differences, "accepted: {line}").unwrap();
    }
    for line in new.difference(&old) {
        writeln!(differences, "now:      {line}").unwrap();
    }
    assert!(
        found == accepted,
        "the contract lets in others than {} says:\n{differences}\
         If that is meant, run this test once more with {ACCEPT}=1 and commit the file.",
        file.display()
    );
}

#[test]
fn the_contract_names_no_caller_that_is_not_there() {
    let rules = Rules::of_the_contract();
    for (path, rule) in rules.iter() {
        for caller in &rule.callers {
            assert!(
                SERVICES.contains(&caller.as_str()),
                "{path} lets in `{caller}`, which is no service"
            );
        }
    }
}

#[test]
fn what_is_not_in_the_contract_is_denied_to_everybody() {
    let rules = Rules::of_the_contract();
    for path in [
        "/outcry.funds.v1.FundsService/Mint",
        "/outcry.funds.v1.FundsService/lockfunds",
        "/outcry.funds.v1.FundsService/LockFunds/",
        "//outcry.funds.v1.FundsService/LockFunds",
        "/outcry.funds.v1.FundsService",
        "/grpc.health.v1.Health/Check",
        "/",
        "",
    ] {
        for caller in callers() {
            let denied = rules.check(path, &caller.identity).unwrap_err();
            assert_eq!(
                denied.code(),
                Code::PermissionDenied,
                "{path} for {}",
                caller.name
            );
        }
    }
}
