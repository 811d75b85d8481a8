//! I14 and I22: services know who is suspended, and orders takes no orders of those.
//!
//! An order that is created at the same time as its user is suspended is all right, as long as
//! orders had not handled the suspension. How far into the user's life it knew is kept with the
//! order. And once orders has cancelled an order because its user is suspended, no later order of
//! that user may pass.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::time::SystemTime;

use outcry_contracts::orders::v1::{CancelReason, OrderStatus, OrderValidatedEvent};
use outcry_contracts::users::v1::{UserStatus, UserStatusChangedEvent};
use outcry_events::SealedEvent;
use serde_json::{Value, json};

use crate::error::Outcome;
use crate::fact::Fact;
use crate::finding::Findings;
use crate::history::History;
use crate::stores::{Rows, Stores, failed};

/// How the status of each user changed, the first change first.
type Changes<'a> = BTreeMap<&'a str, Vec<(&'a SealedEvent, UserStatus)>>;

pub async fn check(history: &History, stores: &Stores, findings: &mut Findings) -> Outcome<()> {
    let changes = changes(history);
    check_later_orders(history, &changes, findings);
    if let Some(rows) = stores.view("orders", "orders").await? {
        check_known_at_creation(history, &changes, &rows, findings);
    }
    if let Some(rows) = stores.view("funds", "accounts").await? {
        let kept = |row: &Value| row["standing"].clone();
        check_known("funds", &changes, stores, (&rows, kept, in_funds), findings).await?;
    }
    if let Some(rows) = stores.view("orders", "users").await? {
        let kept = |row: &Value| row["status"].clone();
        check_known(
            "orders",
            &changes,
            stores,
            (&rows, kept, in_orders),
            findings,
        )
        .await?;
    }
    check_open_orders(history, &changes, stores, findings).await
}

fn changes(history: &History) -> Changes<'_> {
    let mut changes = Changes::new();
    for (event, changed) in history.all::<UserStatusChangedEvent>() {
        let of_user = changes.entry(&changed.user_id).or_default();
        of_user.push((event, changed.new_status()));
    }
    changes
}

/// Whether a user may trade at a time, as the users service tells it.
fn is_active(changes: &Changes<'_>, user: &str, at: SystemTime) -> bool {
    let of_user = changes.get(user).into_iter().flatten();
    let before = of_user.take_while(|(event, _)| event.occurred_at() <= at);
    before
        .last()
        .is_none_or(|(_, status)| *status == UserStatus::Active)
}

fn check_later_orders(history: &History, changes: &Changes<'_>, findings: &mut Findings) {
    let mut acted_on: HashSet<&str> = HashSet::new();
    let mut barred: HashSet<&str> = HashSet::new();
    for recorded in history.of("orders") {
        let at = recorded.event.occurred_at();
        match &recorded.fact {
            Fact::OrderCancelled(end) if end.reason() == CancelReason::UserSuspended => {
                acted_on.insert(&end.user_id);
            }
            Fact::OrderCreated(created) if acted_on.contains(created.user_id.as_str()) => {
                if is_active(changes, &created.user_id, at) {
                    acted_on.remove(created.user_id.as_str());
                } else {
                    barred.insert(&created.order_id);
                }
            }
            Fact::OrderValidated(validated) => {
                let order = validated.order_id.as_str();
                let is_barred =
                    barred.contains(order) && !is_active(changes, &validated.user_id, at);
                findings.expect("I22", !is_barred, order, || {
                    "it passed, although its user was suspended before it was created".to_owned()
                });
            }
            _ => {}
        }
    }
}

/// No order passed that was created when orders knew its user to be suspended.
fn check_known_at_creation(
    history: &History,
    changes: &Changes<'_>,
    rows: &Rows,
    findings: &mut Findings,
) {
    for (_, validated) in history.all::<OrderValidatedEvent>() {
        let row = rows.get(&validated.order_id);
        let known = row.and_then(|row| row["progress"]["user_sequence"].as_u64());
        let Some(known) = known.filter(|known| *known > 0) else {
            // Not kept of older orders.
            continue;
        };
        let of_user = changes
            .get(validated.user_id.as_str())
            .into_iter()
            .flatten();
        let before = of_user.take_while(|(event, _)| event.sequence() <= known);
        let status = before.last().map(|(_, status)| *status);
        let was_active = status.is_none_or(|status| status == UserStatus::Active);
        findings.expect("I22", was_active, &validated.order_id, || {
            format!("it passed, although orders knew its user to be {status:?}")
        });
    }
}

/// A service knows the newest status of every user.
async fn check_known(
    service: &str,
    changes: &Changes<'_>,
    stores: &Stores,
    (rows, kept, called): (
        &Rows,
        impl Fn(&Value) -> Value,
        impl Fn(UserStatus) -> Value,
    ),
    findings: &mut Findings,
) -> Outcome<()> {
    for (user, of_user) in changes {
        let Some((event, status)) = of_user.last() else {
            continue;
        };
        let kept = rows.get(*user).map(&kept);
        if kept == Some(called(*status)) {
            findings.expect("I14", true, user, String::new);
        } else if stores.handled(service, event).await? {
            findings.expect("I14", false, user, || {
                format!("the user is {status:?}, {service} keeps {kept:?}")
            });
        } else {
            findings.wait_for(service);
        }
    }
    Ok(())
}

/// What funds calls a status.
fn in_funds(status: UserStatus) -> Value {
    match status {
        UserStatus::Unspecified => Value::Null,
        UserStatus::Active => json!("active"),
        UserStatus::Suspended => json!("suspended"),
        UserStatus::Closed => json!("closed"),
    }
}

/// Orders keeps the contract's number.
fn in_orders(status: UserStatus) -> Value {
    json!(i32::from(status))
}

/// Once orders has handled a suspension and has nothing left to do, no order of the user is open.
async fn check_open_orders(
    history: &History,
    changes: &Changes<'_>,
    stores: &Stores,
    findings: &mut Findings,
) -> Outcome<()> {
    let Some(store) = stores.store("orders") else {
        return Ok(());
    };
    let open = open_orders(history);
    for (user, of_user) in changes {
        let Some((event, status)) = of_user.last() else {
            continue;
        };
        let left = open.get(user).copied().unwrap_or_default();
        if *status == UserStatus::Active || left == 0 {
            continue;
        }
        let handled = stores.handled("orders", event).await?;
        let timer = store.next_timer().await.map_err(failed("orders"))?;
        if handled && timer.is_none() {
            findings.expect("I22", false, user, || {
                format!("the user is {status:?}, and {left} orders are left open")
            });
        } else {
            findings.wait_for("cancelling orders of a suspended user");
        }
    }
    Ok(())
}

/// How many orders of each user have not come to an end.
fn open_orders(history: &History) -> HashMap<&str, u64> {
    let mut open: HashMap<&str, &str> = HashMap::new();
    for recorded in history.of("orders") {
        match &recorded.fact {
            Fact::OrderCreated(created) => {
                open.insert(&created.order_id, &created.user_id);
            }
            Fact::OrderFilled(end) if end.status() == OrderStatus::Filled => {
                open.remove(end.order_id.as_str());
            }
            Fact::OrderCancelled(end) => {
                open.remove(end.order_id.as_str());
            }
            Fact::OrderExpired(end) => {
                open.remove(end.order_id.as_str());
            }
            Fact::OrderRejected(end) => {
                open.remove(end.order_id.as_str());
            }
            _ => {}
        }
    }
    let mut users = HashMap::new();
    for user in open.into_values() {
        *users.entry(user).or_default() += 1;
    }
    users
}

#[cfg(test)]
mod tests;
