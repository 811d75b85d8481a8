//! Cutting a plan down to what it takes to fail.

use crate::plan::Plan;

/// Runs tried at most while cutting down.
pub const TRIES_MAX: usize = 300;

/// The smallest plan found that still fails, and how many runs that took. Parts are taken away in
/// ever smaller groups, for as long as what is left fails.
pub fn shrink(plan: &Plan, mut fails: impl FnMut(&Plan) -> bool) -> (Plan, usize) {
    let mut best = plan.clone();
    let mut tries = 0;
    let mut group = best.size().div_ceil(2).max(1);
    loop {
        let mut smaller = false;
        let mut from = 0;
        while from < best.size() && tries < TRIES_MAX {
            let candidate = without(&best, from, group);
            tries += 1;
            if fails(&candidate) {
                best = candidate;
                smaller = true;
            } else {
                from += group;
            }
        }
        if tries >= TRIES_MAX || (group == 1 && !smaller) {
            return (best, tries);
        }
        if !smaller {
            group = group.div_ceil(2);
        }
    }
}

/// The plan without `count` of its parts from the one at `from` on.
fn without(plan: &Plan, from: usize, count: usize) -> Plan {
    let mut place = 0;
    let mut stays = || {
        let stays = place < from || place >= from + count;
        place += 1;
        stays
    };
    let mut smaller = plan.clone();
    smaller.faults.retain(|_| stays());
    smaller.replicated.retain(|_| stays());
    smaller.acts.retain(|_| stays());
    smaller
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::plan::Deed;

    #[test]
    fn what_does_not_matter_is_taken_away() {
        let plan = Plan::draw(7);
        let cancels = |plan: &Plan| {
            let cancels = plan.acts.iter();
            cancels
                .filter(|act| matches!(act.deed, Deed::Place(_)))
                .count()
        };
        assert!(cancels(&plan) > 2);
        let (small, tries) = shrink(&plan, |plan| cancels(plan) >= 2);
        assert_eq!(small.acts.len(), 2);
        assert!(small.faults.is_empty() && small.replicated.is_empty());
        assert!(tries < TRIES_MAX);
    }
}
