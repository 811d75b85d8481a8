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
    use super::*;

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
}
