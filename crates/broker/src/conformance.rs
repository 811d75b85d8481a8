//! What every broker must do, as tests. Each panics when it does not hold.
//!
//! `make` opens a broker on the data called by the given name: new data for a new name, the data
//! left behind for a name used before. A broker is opened again only after the one before has been
//! closed or all its handles have been dropped.

mod delivery;
mod fixtures;
mod flow;
mod order;
mod recovery;

use std::sync::Arc;

pub use self::delivery::*;
pub use self::flow::*;
pub use self::order::*;
pub use self::recovery::*;
use crate::broker::Broker;

/// All of them, one after the other.
pub async fn all(make: impl AsyncFn(&str) -> Arc<dyn Broker>) {
    let make = &make;
    Box::pin(every_group_gets_the_topics_it_wants(make)).await;
    Box::pin(messages_arrive_as_they_were_published(make)).await;
    Box::pin(a_message_nobody_wants_is_unroutable(make)).await;
    Box::pin(what_is_too_large_is_refused_alone(make)).await;
    Box::pin(nothing_overtakes_a_message_of_its_key_that_failed(make)).await;
    Box::pin(groups_are_declared_before_they_are_consumed(make)).await;
    Box::pin(a_removed_group_wants_nothing(make)).await;
    Box::pin(unsettled_messages_are_counted(make)).await;
    Box::pin(a_closed_broker_refuses_and_ends_subscriptions(make)).await;
    Box::pin(keys_keep_their_order_in_every_partitioning(make)).await;
    Box::pin(concurrent_publishers_keep_the_order_of_their_keys(make)).await;
    Box::pin(a_message_given_back_comes_before_those_behind_it(make)).await;
    Box::pin(unsettled_messages_come_again_in_order(make)).await;
    Box::pin(another_subscription_takes_over(make)).await;
    Box::pin(partitions_are_taken_over_one_by_one(make)).await;
    Box::pin(reopening_loses_nothing_and_repeats_nothing(make)).await;
    Box::pin(breaking_off_loses_nothing(make)).await;
    Box::pin(no_more_than_the_prefetch_is_in_hand(make)).await;
    Box::pin(a_call_that_is_broken_off_loses_nothing(make)).await;
    Box::pin(a_slow_partition_does_not_stop_the_others(make)).await;
    Box::pin(many_messages_reach_every_group_exactly_once(make)).await;
}
