//! Any commands in any order: the order stays true to itself.

use proptest::prelude::*;

use super::samples::*;
use super::*;

fn reason() -> impl Strategy<Value = CancelReason> {
    prop_oneof![
        Just(CancelReason::User),
        Just(CancelReason::Expired),
        Just(CancelReason::SelfTrade)
    ]
}

/// Commands that make sense now and then: small numbers meet often.
fn command() -> impl Strategy<Value = Command> {
    prop_oneof![
        Just(place(10)),
        Just(validate()),
        Just(Command::Reject(refused())),
        (1..12_i64, 1..12_i64, 5..15_i64).prop_map(|(last, cumulative, total)| {
            fill(
                u32::try_from(cumulative).unwrap(),
                last,
                cumulative,
                total.max(cumulative),
            )
        }),
        (0..12_i64, 1..12_i64, reason()).prop_map(|(cum, left, why)| take_off(cum, left, why)),
        reason().prop_map(|reason| Command::CancelBeforeVenue { reason }),
        (1..4_u32, 5..15_i64).prop_map(|(revision, quantity)| replace(revision, quantity)),
    ]
}

/// Fills and changes as a venue would tell them, so that long lives are tested as well.
fn venue_story() -> impl Strategy<Value = Vec<Command>> {
    proptest::collection::vec((1..4_i64, proptest::bool::weighted(0.2), 1..8_i64), 0..12).prop_map(
        |steps| {
            let mut commands = vec![place(10), validate()];
            let (mut cumulative, mut total, mut revision) = (0, 10, 0);
            for (execution, (last, changes, more)) in (1..).zip(steps) {
                if changes {
                    revision += 1;
                    total = cumulative + more;
                    commands.push(replace(revision, total));
                } else if cumulative + last <= total {
                    cumulative += last;
                    commands.push(fill(execution, last, cumulative, total));
                }
            }
            commands
        },
    )
}

fn check(commands: Vec<Command>) -> Result<(), TestCaseError> {
    let mut order = Order::default();
    let mut events = Vec::new();
    for command in commands {
        let Ok(decided) = order.decide(&command) else {
            continue;
        };
        for event in decided {
            let before = order.clone();
            order = order.evolve(&event);
            // I16: nothing after the end.
            prop_assert!(!before.phase.is_final(), "{before:?} then {event:?}");
            // I8: the quantity is what is filled and what is left; what is filled only grows.
            prop_assert!(order.cumulative >= before.cumulative);
            prop_assert!(order.cumulative <= order.terms.quantity);
            if !order.phase.is_final() {
                prop_assert_eq!(order.terms.quantity, order.cumulative + order.leaves());
            }
            if let OrderEvent::Filled(filled) = &event {
                prop_assert_eq!(order.cumulative, before.cumulative + filled.last_quantity);
                prop_assert_eq!(filled.leaves_quantity == 0, order.phase == Phase::Filled);
            }
            events.push(event);
        }
        // A repetition of what was just done changes nothing.
        if let Ok(again) = order.decide(&command) {
            prop_assert!(again.is_empty(), "{command:?} happened twice: {again:?}");
        }
    }
    let finals = events
        .iter()
        .fold((Order::default(), 0), |(order, finals), event| {
            let order = order.evolve(event);
            let finals = finals + u32::from(order.phase.is_final());
            (order, finals)
        });
    prop_assert!(finals.1 <= 1, "I16: one final status");
    prop_assert_eq!(finals.0, order, "the refold differs from the live order");
    Ok(())
}

proptest! {
    #[test]
    fn any_commands_keep_i8_and_i16(commands in proptest::collection::vec(command(), 0..40)) {
        let mut all = vec![place(10), validate()];
        all.extend(commands);
        check(all)?;
    }

    #[test]
    fn any_beginning_keeps_i8_and_i16(commands in proptest::collection::vec(command(), 0..40)) {
        check(commands)?;
    }

    #[test]
    fn venue_stories_are_taken_whole(commands in venue_story()) {
        let mut order = Order::default();
        for command in &commands {
            if order.phase.is_final() {
                break;
            }
            let decided = order.decide(command);
            prop_assert!(decided.is_ok(), "{command:?}: {decided:?}");
            order = decided.unwrap_or_default().iter().fold(order, Order::evolve);
        }
        check(commands)?;
    }
}
