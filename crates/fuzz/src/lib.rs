//! Input nobody would write: valid bytes, damaged.
//!
//! Random bytes rarely get past the first check of a decoder. What is valid but for a few changes
//! gets further, and that is where decoders break.
//!
//! A failed case is made smaller and its seed is printed; with `PROPTEST_CASES` set, more is tried.

mod filled;

use proptest::prelude::*;
use proptest::sample::Index;

pub use filled::filled;

/// Changes of one input at most: with more, little is left of what was valid.
const CHANGES_MAX: usize = 8;

/// Bytes that are put in at one place at most.
const INSERTED_MAX: usize = 16;

/// Bytes of input that was never valid.
const NOISE_MAX: usize = 512;

/// Numbers at the edges of what fits into the integers of wire formats.
const EDGES: [&[u8]; 6] = [
    &[0x00],
    &[0x7f],
    &[0xff],
    &[0xff, 0xff, 0xff, 0xff],
    &[0x80, 0x80, 0x80, 0x80, 0x10],
    &[0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x01],
];

/// One way to damage bytes. Where is a share of the length, so that it means the same place however
/// much the input is made smaller.
#[derive(Debug, Clone)]
enum Change {
    Flip(Index, u8),
    Replace(Index, u8),
    Insert(Index, Vec<u8>),
    Cut(Index, Index),
    Repeat(Index, Index),
    End(Index),
    /// The rest of another valid input from there on.
    Splice(Index, usize),
}

/// Inputs of a corpus of valid ones, damaged; some are noise from the first byte on, and some are
/// left as they are.
///
/// # Panics
/// Without a corpus there is nothing to damage.
pub fn damaged(corpus: Vec<Vec<u8>>) -> impl Strategy<Value = Vec<u8>> {
    assert!(!corpus.is_empty(), "a corpus has at least one input");
    let from = 0..corpus.len();
    let changes = prop::collection::vec(change(corpus.len()), 0..=CHANGES_MAX);
    let valid = (from, changes).prop_map(move |(from, changes)| {
        changes.iter().fold(corpus[from].clone(), |bytes, change| {
            apply(change, bytes, &corpus)
        })
    });
    let noise = prop::collection::vec(any::<u8>(), 0..NOISE_MAX);
    prop_oneof![9 => valid, 1 => noise]
}

/// The same for text: what is no UTF-8 any more is made so.
pub fn damaged_text(corpus: &[&str]) -> impl Strategy<Value = String> {
    let corpus = corpus.iter().map(|text| text.as_bytes().to_vec());
    damaged(corpus.collect()).prop_map(|bytes| String::from_utf8_lossy(&bytes).into_owned())
}

fn change(inputs: usize) -> impl Strategy<Value = Change> {
    let inserted = prop_oneof![
        prop::collection::vec(any::<u8>(), 1..=INSERTED_MAX),
        prop::sample::select(&EDGES[..]).prop_map(<[u8]>::to_vec),
    ];
    prop_oneof![
        4 => (any::<Index>(), 0_u8..8).prop_map(|(at, bit)| Change::Flip(at, 1 << bit)),
        4 => (any::<Index>(), any::<u8>()).prop_map(|(at, byte)| Change::Replace(at, byte)),
        3 => (any::<Index>(), inserted).prop_map(|(at, bytes)| Change::Insert(at, bytes)),
        2 => any::<(Index, Index)>().prop_map(|(one, other)| Change::Cut(one, other)),
        2 => any::<(Index, Index)>().prop_map(|(one, other)| Change::Repeat(one, other)),
        1 => any::<Index>().prop_map(Change::End),
        1 => (any::<Index>(), 0..inputs).prop_map(|(at, other)| Change::Splice(at, other)),
    ]
}

fn apply(change: &Change, mut bytes: Vec<u8>, corpus: &[Vec<u8>]) -> Vec<u8> {
    let place = |at: &Index| at.index(bytes.len() + 1);
    let range = |one: &Index, other: &Index| {
        let (one, other) = (place(one), place(other));
        one.min(other)..one.max(other)
    };
    match change {
        Change::Flip(at, mask) => {
            let at = at.index(bytes.len().max(1));
            if let Some(byte) = bytes.get_mut(at) {
                *byte ^= mask;
            }
        }
        Change::Replace(at, new) => {
            let at = at.index(bytes.len().max(1));
            if let Some(byte) = bytes.get_mut(at) {
                *byte = *new;
            }
        }
        Change::Insert(at, inserted) => {
            let at = place(at);
            bytes.splice(at..at, inserted.iter().copied());
        }
        Change::Cut(one, other) => {
            bytes.drain(range(one, other));
        }
        Change::Repeat(one, other) => {
            let range = range(one, other);
            let repeated = bytes[range.clone()].to_vec();
            bytes.splice(range.end..range.end, repeated);
        }
        Change::End(at) => bytes.truncate(place(at)),
        Change::Splice(at, other) => {
            let at = place(at);
            bytes.truncate(at);
            let rest = corpus[*other].get(at..).unwrap_or_default();
            bytes.extend_from_slice(rest);
        }
    }
    bytes
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use proptest::strategy::ValueTree;
    use proptest::test_runner::TestRunner;

    use super::*;

    #[test]
    fn damage_is_varied_and_leaves_some_input_valid() {
        let corpus = vec![b"one valid input".to_vec(), b"another one".to_vec()];
        let strategy = damaged(corpus.clone());
        let mut runner = TestRunner::deterministic();
        let inputs: Vec<Vec<u8>> = (0..1000)
            .map(|_| strategy.new_tree(&mut runner).unwrap().current())
            .collect();
        let different: BTreeSet<&[u8]> = inputs.iter().map(Vec::as_slice).collect();
        assert!(different.len() > 700, "{}", different.len());
        assert!(inputs.iter().any(|input| corpus.contains(input)));
    }
}
