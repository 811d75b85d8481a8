//! What every store must do, as tests. Each panics when it does not hold.
//!
//! `make` opens a store on the data called by the given name: new data for a new name, the data
//! left behind for a name used before. A store is opened again only after all handles of the one
//! before have been dropped.

mod commits;
mod fixtures;
mod lasting;
mod leases;
mod parking;
mod redrives;
mod streams;
mod timers;
mod views;

use std::sync::Arc;

pub use self::commits::*;
pub use self::lasting::*;
pub use self::leases::*;
pub use self::parking::*;
pub use self::redrives::*;
pub use self::streams::*;
pub use self::timers::*;
pub use self::views::*;
use crate::store::Store;

/// All of them, one after the other.
pub async fn all(make: impl AsyncFn(&str) -> Arc<dyn Store>) {
    let make = &make;
    Box::pin(a_stream_is_numbered_without_gaps(make)).await;
    Box::pin(an_append_somewhere_else_is_a_conflict(make)).await;
    Box::pin(an_append_without_events_only_demands(make)).await;
    Box::pin(an_event_out_of_its_place_is_refused(make)).await;
    Box::pin(events_are_read_in_commit_order(make)).await;
    Box::pin(events_are_unsent_until_they_are_marked(make)).await;
    Box::pin(concurrent_commits_leave_no_gap_and_lose_nothing(make)).await;
    Box::pin(nothing_appears_before_what_was_read(make)).await;

    Box::pin(a_commit_is_applied_whole(make)).await;
    Box::pin(a_failing_commit_leaves_nothing(make)).await;
    Box::pin(commits_together_are_applied_in_their_order(make)).await;
    Box::pin(commits_together_end_before_the_first_that_fails(make)).await;
    Box::pin(an_empty_commit_changes_nothing(make)).await;
    Box::pin(an_event_is_handled_once_per_group(make)).await;
    Box::pin(a_request_is_answered_once(make)).await;
    Box::pin(what_is_done_already_is_no_conflict(make)).await;
    Box::pin(of_concurrent_repetitions_one_succeeds(make)).await;
    Box::pin(old_marks_and_answers_are_forgotten(make)).await;
    Box::pin(commits_that_are_news_are_told(make)).await;
    Box::pin(what_is_too_large_is_refused(make)).await;

    Box::pin(rows_have_versions(make)).await;
    Box::pin(rows_are_listed_by_key(make)).await;
    Box::pin(rows_are_listed_in_other_orders(make)).await;
    Box::pin(places_follow_their_rows(make)).await;
    Box::pin(texts_are_ordered_by_their_bytes(make)).await;
    Box::pin(a_listing_goes_on_while_rows_change(make)).await;
    Box::pin(a_cursor_that_is_none_is_refused(make)).await;

    Box::pin(timers_come_when_they_are_due(make)).await;
    Box::pin(a_timer_has_one_effect_per_setting(make)).await;

    Box::pin(parked_events_are_kept_in_order(make)).await;
    Box::pin(an_event_is_parked_once(make)).await;
    Box::pin(nothing_overtakes_a_parked_event(make)).await;
    Box::pin(a_parked_event_comes_back_from_the_front(make)).await;
    Box::pin(a_discarded_event_is_gone_for_good(make)).await;
    Box::pin(a_key_is_redriven_until_it_is_free(make)).await;
    Box::pin(a_redrive_ends_when_an_event_fails_again(make)).await;
    Box::pin(one_event_or_a_whole_group_can_be_redriven(make)).await;
    Box::pin(a_redrive_can_be_withdrawn(make)).await;
    Box::pin(the_audit_is_read_backwards(make)).await;

    Box::pin(slots_are_shared_evenly(make)).await;
    Box::pin(a_stale_holder_commits_nothing(make)).await;
    Box::pin(leaving_frees_at_once(make)).await;
    Box::pin(unsent_events_are_spread_over_slots(make)).await;

    Box::pin(large_bodies_come_back(make)).await;
    Box::pin(reopening_keeps_everything(make)).await;
}
