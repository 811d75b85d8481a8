//! Which messages of a call go together: of every key the first, then of every key the second, and
//! so on; behind one that failed nothing of its key goes.

use std::collections::{HashMap, VecDeque};

use crate::error::PublishError;
use crate::message::Message;

/// Messages sent before the first of them is confirmed. More would only wait in the client's memory.
const WAVE_MAX: usize = 512;

/// The messages of one call and what became of them.
pub(super) struct Waves {
    /// Places of what is left, by key, in the order of the keys' first messages.
    left: Vec<VecDeque<usize>>,
    outcomes: Vec<Result<(), PublishError>>,
}

// === impl Waves ===

impl Waves {
    /// Judges every message by itself.
    pub(super) fn of(messages: &[Message]) -> Self {
        let mut lanes: HashMap<&str, usize> = HashMap::new();
        let mut left: Vec<VecDeque<usize>> = Vec::new();
        for (place, message) in messages.iter().enumerate() {
            let lane = *lanes.entry(&message.partition_key).or_insert_with(|| {
                left.push(VecDeque::new());
                left.len() - 1
            });
            if let Some(lane) = left.get_mut(lane) {
                lane.push_back(place);
            }
        }
        let outcomes = vec![Err(PublishError::HeldBack); messages.len()];
        let mut waves = Self { left, outcomes };
        for lane in &mut waves.left {
            // From the first that cannot be sent, the key's messages are held back.
            let refused = lane.iter().position(|place| {
                let checked = messages.get(*place).map_or(Ok(()), Message::check);
                match checked {
                    Ok(()) => false,
                    Err(error) => {
                        if let Some(outcome) = waves.outcomes.get_mut(*place) {
                            *outcome = Err(error);
                        }
                        true
                    }
                }
            });
            if let Some(refused) = refused {
                lane.truncate(refused);
            }
        }
        waves
    }

    /// Places of the messages to send now, no two with the same key. Empty when all are done.
    pub(super) fn next(&self) -> Vec<usize> {
        self.left
            .iter()
            .filter_map(|lane| lane.front().copied())
            .take(WAVE_MAX)
            .collect()
    }

    /// What became of the last wave, place by place.
    pub(super) fn settle(&mut self, wave: &[usize], outcomes: Vec<Result<(), PublishError>>) {
        let mut settled: HashMap<usize, Result<(), PublishError>> =
            wave.iter().copied().zip(outcomes).collect();
        self.left.retain_mut(|lane| {
            let Some(place) = lane.front().copied() else {
                return false;
            };
            let Some(outcome) = settled.remove(&place) else {
                return true;
            };
            if outcome.is_ok() {
                lane.pop_front();
            } else {
                lane.clear();
            }
            if let Some(slot) = self.outcomes.get_mut(place) {
                *slot = outcome;
            }
            !lane.is_empty()
        });
    }

    /// What became of every message.
    pub(super) fn finish(self) -> Vec<Result<(), PublishError>> {
        self.outcomes
    }
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;
    use proptest::prelude::*;

    use super::*;
    use crate::limits::BODY_BYTES_MAX;

    fn message(key: u8, bytes: usize) -> Message {
        Message {
            topic: "order.created".to_owned(),
            partition_key: key.to_string(),
            event_id: String::new(),
            correlation_id: String::new(),
            source: String::new(),
            headers: Vec::new(),
            body: Bytes::from(vec![0; bytes]),
        }
    }

    /// Runs all waves; `fails` says which places the broker does not take.
    fn run(
        messages: &[Message],
        fails: impl Fn(usize) -> bool,
    ) -> (Vec<Vec<usize>>, Vec<Result<(), PublishError>>) {
        let mut waves = Waves::of(messages);
        let mut sent = Vec::new();
        loop {
            let wave = waves.next();
            if wave.is_empty() {
                return (sent, waves.finish());
            }
            let outcomes = wave
                .iter()
                .map(|place| match fails(*place) {
                    true => Err(PublishError::Closed),
                    false => Ok(()),
                })
                .collect();
            waves.settle(&wave, outcomes);
            sent.push(wave);
        }
    }

    #[test]
    fn keys_go_side_by_side_and_each_in_its_order() {
        let messages = [1, 2, 1, 3, 1, 2].map(|key| message(key, 0));
        let (sent, outcomes) = run(&messages, |_| false);
        assert_eq!(sent, [vec![0, 1, 3], vec![2, 5], vec![4]]);
        assert!(outcomes.iter().all(Result::is_ok));
    }

    #[test]
    fn what_is_too_large_holds_its_key_back_from_there_on() {
        let mut messages = [1, 1, 1, 2].map(|key| message(key, 0));
        messages[1] = message(1, BODY_BYTES_MAX + 1);
        let (sent, outcomes) = run(&messages, |_| false);
        assert_eq!(sent, [[0, 3]]);
        assert!(matches!(
            outcomes.as_slice(),
            [
                Ok(()),
                Err(PublishError::TooLarge { .. }),
                Err(PublishError::HeldBack),
                Ok(())
            ]
        ));
    }

    proptest! {
        #[test]
        fn nothing_overtakes_and_nothing_is_forgotten(
            keys in prop::collection::vec(0_u8..6, 0..80),
            failing in prop::collection::hash_set(0_usize..80, 0..6),
        ) {
            let messages: Vec<_> = keys.iter().map(|key| message(*key, 0)).collect();
            let (sent, outcomes) = run(&messages, |place| failing.contains(&place));
            prop_assert_eq!(outcomes.len(), messages.len());
            let sent: Vec<_> = sent.into_iter().flatten().collect();
            for key in 0..6 {
                let places: Vec<_> = (0..keys.len()).filter(|at| keys[*at] == key).collect();
                let failed = places.iter().position(|place| failing.contains(place));
                let reached = failed.map_or(places.len(), |failed| failed + 1);
                let went: Vec<_> = sent
                    .iter()
                    .copied()
                    .filter(|place| keys[*place] == key)
                    .collect();
                prop_assert_eq!(&went, &places[..reached]);
                for (at, place) in places.iter().enumerate() {
                    let held_back = matches!(outcomes[*place], Err(PublishError::HeldBack));
                    prop_assert_eq!(held_back, at >= reached);
                }
            }
        }
    }
}
