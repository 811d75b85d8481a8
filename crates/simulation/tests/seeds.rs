//! Runs of the whole platform from seeds. A failure names its seed; `cargo xtask simulate --seed N`
//! runs it again and cuts it down.

#![expect(clippy::unwrap_used, reason = "a test stops at the first surprise")]

use std::sync::LazyLock;
use std::sync::atomic::{AtomicU64, Ordering};

use outcry_simulation::{Base, Bug, Plan, Survived, shrink};

/// Seeds of every test run; `cargo xtask simulate --seeds` runs any number of others.
const SEEDS: std::ops::RangeInclusive<u64> = 1..=300;

/// Seeds that are run twice.
#[cfg(tokio_unstable)]
const TWICE: std::ops::RangeInclusive<u64> = 301..=320;

/// Seeds tried for a planted bug.
const SEEDS_PER_BUG: u64 = 40;

static BASE: LazyLock<Base> = LazyLock::new(|| Base::make().unwrap());

fn invariant(breach: &str) -> &str {
    breach.split(':').next().unwrap()
}

/// Runs seeds on two threads.
fn each(seeds: impl IntoIterator<Item = u64>, check: impl Fn(u64) + Sync) {
    let seeds: Vec<u64> = seeds.into_iter().collect();
    let next = AtomicU64::new(0);
    std::thread::scope(|scope| {
        for _ in 0..2 {
            scope.spawn(|| {
                while let Some(seed) = usize::try_from(next.fetch_add(1, Ordering::Relaxed))
                    .ok()
                    .and_then(|place| seeds.get(place))
                {
                    check(*seed);
                }
            });
        }
    });
}

#[test]
fn whatever_happens_every_invariant_holds_once_it_is_over() {
    let survived = std::sync::Mutex::new(Survived::default());
    each(SEEDS, |seed| {
        let outcome = BASE.run(&Plan::draw(seed), None).unwrap();
        assert_eq!(outcome.breaches, Vec::<String>::new(), "seed {seed}");
        *survived.lock().unwrap() += outcome.survived;
    });
    let survived = *survived.lock().unwrap();
    assert!(
        survived.crashes > 100
            && survived.duplicates > 1_000
            && survived.partitions > 100
            && survived.losses > 1_000,
        "too little happened: {survived:?}"
    );
}

/// The runtime's own choices follow from the seed only when it is built so.
#[cfg(tokio_unstable)]
#[test]
fn a_seed_goes_the_same_way_every_time() {
    each(TWICE, |seed| {
        let plan = Plan::draw(seed);
        let [first, second] = [(); 2].map(|()| BASE.run(&plan, None).unwrap());
        let differ = first
            .log
            .iter()
            .zip(&second.log)
            .find(|(one, other)| one != other);
        assert_eq!(differ, None, "seed {seed}");
        assert_eq!(first.digest, second.digest, "seed {seed}");
    });
}

#[test]
fn every_planted_bug_is_found_and_its_invariant_named() {
    each(0..Bug::ALL.len() as u64, |number| {
        let bug = Bug::ALL[usize::try_from(number).unwrap()];
        let found = (1..=SEEDS_PER_BUG).any(|seed| {
            let outcome = BASE.run(&Plan::draw(seed), Some(bug)).unwrap();
            let mut breaches = outcome.breaches.iter();
            breaches.any(|breach| invariant(breach) == bug.breaks())
        });
        assert!(
            found,
            "{} breaks {} and is not found",
            bug.name(),
            bug.breaks()
        );
    });
}

#[test]
fn a_failing_plan_is_cut_down_to_what_it_takes() {
    let fails = |plan: &Plan| {
        let outcome = BASE.run(plan, Some(Bug::CreditsDouble)).unwrap();
        let mut breaches = outcome.breaches.iter();
        breaches.any(|breach| invariant(breach) == "I17")
    };
    let plan = (1..).map(Plan::draw).find(fails).unwrap();
    let (small, _) = shrink(&plan, fails);
    assert!(fails(&small));
    assert_eq!(small.size(), 1, "one deposit is enough: {small:?}");
}
