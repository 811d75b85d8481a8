//! Which of several endpoints gets a call: the less busy of two taken at random.
//!
//! Always taking the least busy of all would send every caller to the same one at the same moment.

use fastrand::Rng;

/// The less busy of two of them taken at random; `busy` is how busy one is, `None` if it is out of the
/// question.
pub(crate) fn of_two<'all, T>(
    all: impl Iterator<Item = &'all T>,
    random: &mut Rng,
    busy: impl Fn(&T) -> Option<f64>,
) -> Option<&'all T> {
    let mut two: [Option<(&T, f64)>; 2] = [None, None];
    let possible = all.filter_map(|one| busy(one).map(|busy| (one, busy)));
    for (seen, one) in possible.enumerate() {
        // Of any number in a row, each is among the two with the same chance.
        let place = if seen < 2 {
            seen
        } else {
            random.usize(..=seen)
        };
        if let Some(place) = two.get_mut(place) {
            *place = Some(one);
        }
    }
    match two {
        [Some((one, busy)), Some((other, busier))] => {
            let first = if busy < busier {
                true
            } else if busy > busier {
                false
            } else {
                random.bool()
            };
            Some(if first { one } else { other })
        }
        [one, _] => one.map(|(one, _)| one),
    }
}

#[cfg(test)]
mod tests {
    use std::cmp::Reverse;
    use std::collections::BinaryHeap;
    use std::time::Duration;

    use tokio::time::Instant;

    use super::*;
    use crate::load::Load;

    fn shares(busy: &[Option<f64>]) -> Vec<u32> {
        let mut random = Rng::with_seed(1);
        let indices: Vec<usize> = (0..busy.len()).collect();
        let mut shares = vec![0; busy.len()];
        for _ in 0..10_000 {
            if let Some(chosen) = of_two(indices.iter(), &mut random, |index| busy[*index]) {
                shares[*chosen] += 1;
            }
        }
        shares
    }

    #[test]
    fn nobody_is_chosen_of_none() {
        assert_eq!(shares(&[]), [0; 0]);
        assert_eq!(shares(&[None, None]), [0, 0]);
    }

    #[test]
    fn the_busier_of_two_gets_nothing_and_equals_the_same() {
        assert_eq!(shares(&[Some(1.0), None, Some(2.0)]), [10_000, 0, 0]);
        for busy in [vec![Some(1.0); 2], vec![Some(1.0); 5]] {
            let fair = 10_000 / u32::try_from(busy.len()).unwrap();
            for share in shares(&busy) {
                assert!(share.abs_diff(fair) < fair / 8, "{share} of {fair}");
            }
        }
    }

    #[test]
    fn only_the_busiest_is_never_chosen() {
        let shares = shares(&[Some(1.0), Some(2.0), Some(3.0)]);
        assert!(shares[0] > shares[1] && shares[1] > 1000);
        assert_eq!(shares[2], 0);
    }

    const MICRO: Duration = Duration::from_micros(1);

    /// How an endpoint answers in the model below.
    struct Model {
        /// How long it takes, given chance.
        takes: fn(&mut Rng) -> Duration,
        fails: bool,
    }

    /// Calls each endpoint gets in some seconds of callers that always have one in progress.
    fn calls(models: &[Model], callers: usize, seed: u64) -> Vec<u32> {
        let mut random = Rng::with_seed(seed);
        let start = Instant::now();
        let end = start + Duration::from_secs(4);
        let mut loads: Vec<Load> = models.iter().map(|_| Load::default()).collect();
        let (mut busy, mut calls) = (vec![0_usize; models.len()], vec![0_u32; models.len()]);
        let indices: Vec<usize> = (0..models.len()).collect();
        // Whoever waits, by when the answer comes: at first nobody has asked anybody.
        type Waiting = Reverse<(Instant, usize, Option<(usize, Instant)>)>;
        let mut waiting: BinaryHeap<Waiting> = (0..callers)
            .map(|caller| Reverse((start, caller, None)))
            .collect();
        while let Some(Reverse((now, caller, asked))) = waiting.pop()
            && now < end
        {
            if let Some((index, began)) = asked {
                let model: &Model = &models[index];
                busy[index] -= 1;
                if model.fails {
                    loads[index].failed(now - began, now);
                } else {
                    loads[index].answered(now - began, now);
                }
            }
            let load = |index: &usize| Some(loads[*index].with(busy[*index], now));
            let chosen = *of_two(indices.iter(), &mut random, load).unwrap();
            busy[chosen] += 1;
            calls[chosen] += 1;
            let answered = now + (models[chosen].takes)(&mut random);
            waiting.push(Reverse((answered, caller, Some((chosen, now)))));
        }
        calls
    }

    /// The share of all calls that the first endpoint gets.
    fn share(first: Model, callers: usize) -> f64 {
        let fast = || Model {
            // Mostly half a millisecond, and a hiccup now and then.
            takes: |random| match random.u32(..1000) {
                0 => MICRO * 10_000,
                _ => MICRO * random.u32(300..700),
            },
            fails: false,
        };
        let calls = calls(&[first, fast(), fast()], callers, 7);
        f64::from(calls[0]) / f64::from(calls.iter().sum::<u32>())
    }

    #[test]
    fn a_slow_endpoint_gets_hardly_any_calls_with_few_callers_and_with_many() {
        for callers in [1, 2, 8, 32] {
            let slow = Model {
                takes: |_| MICRO * 20_000,
                fails: false,
            };
            let share = share(slow, callers);
            assert!(
                share > 0.0 && share < 0.05,
                "{share} with {callers} callers"
            );
        }
    }

    #[test]
    fn an_endpoint_that_fails_at_once_gets_hardly_any_calls() {
        for callers in [1, 8, 32] {
            let failing = Model {
                takes: |_| MICRO * 20,
                fails: true,
            };
            let share = share(failing, callers);
            assert!(
                share > 0.0 && share < 0.05,
                "{share} with {callers} callers"
            );
        }
    }

    #[test]
    fn endpoints_that_are_alike_get_alike() {
        for callers in [1, 8, 32] {
            let alike = [(); 3].map(|()| Model {
                takes: |random| MICRO * random.u32(300..700),
                fails: false,
            });
            let calls = calls(&alike, callers, 7);
            let fair = calls.iter().sum::<u32>() / 3;
            for share in &calls {
                assert!(
                    share.abs_diff(fair) < fair / 4,
                    "{calls:?} with {callers} callers"
                );
            }
        }
    }
}
