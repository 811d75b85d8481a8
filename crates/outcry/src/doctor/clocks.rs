//! This machine's clock beside those of others: tokens, certificates and leases count on them.

use std::time::{Duration, SystemTime};

use super::database;
use super::finding::Finding;
use super::platform;

const AREA: &str = "clock";

/// Clocks that are kept by a time server differ by less.
const DOUBTFUL: Duration = Duration::from_secs(1);

/// With more, tokens and certificates are taken for not valid yet, and timers go off at the wrong time.
const FAILED: Duration = Duration::from_secs(5);

/// The date of an answer leaves out the part of a second.
const HTTP_DATE: Duration = Duration::from_secs(1);

/// Another clock, read at a moment of ours.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Clock {
    /// Whose it is.
    whose: &'static str,
    there: SystemTime,
    here: SystemTime,
    /// How much later than it said it may have been.
    unsure: Duration,
}

/// The clocks that were seen while looking at other parts.
pub fn of(database: &database::Facts, platform: &platform::Facts) -> Vec<Clock> {
    let of_database = database.standing().map(|standing| Clock {
        whose: "the database",
        there: standing.clock,
        here: standing.clock_here,
        unsure: standing.round_trip / 2,
    });
    let of_platform = platform.clock().map(|(there, here)| Clock {
        whose: "the platform",
        there,
        here,
        unsure: HTTP_DATE,
    });
    of_database.into_iter().chain(of_platform).collect()
}

/// Judges the clocks.
pub fn judge(clocks: &[Clock]) -> Vec<Finding> {
    clocks.iter().map(judged).collect()
}

fn judged(clock: &Clock) -> Finding {
    let whose = clock.whose;
    // It was between `there` and `there + unsure`.
    let (by, than) = if clock.there > clock.here {
        (since(clock.there, clock.here), "behind")
    } else {
        (since(clock.here, clock.there + clock.unsure), "ahead of")
    };
    let says = format!(
        "this machine's clock is {:.1} s {than} that of {whose}",
        by.as_secs_f64()
    );
    let mend =
        "let a time server keep the clocks of all machines: `timedatectl set-ntp true`, or chrony";
    match by {
        by if by >= FAILED => Finding::failed(AREA, says, mend),
        by if by >= DOUBTFUL => Finding::warning(AREA, says, mend),
        _ => Finding::ok(
            AREA,
            format!("this machine's clock and that of {whose} agree"),
        ),
    }
}

fn since(later: SystemTime, earlier: SystemTime) -> Duration {
    later.duration_since(earlier).unwrap_or(Duration::ZERO)
}

#[cfg(test)]
mod tests {
    use std::time::UNIX_EPOCH;

    use super::super::finding::testing::{counts, saying};
    use super::*;

    fn found(there_ms: u64, here_ms: u64, unsure: Duration) -> Vec<Finding> {
        let at = |ms| UNIX_EPOCH + Duration::from_millis(ms);
        judge(&[Clock {
            whose: "the database",
            there: at(there_ms),
            here: at(here_ms),
            unsure,
        }])
    }

    #[test]
    fn a_difference_matters_beyond_what_is_not_known_of_it() {
        let counted = |there, here, unsure| counts(&found(there, here, unsure));
        assert_eq!(counted(10_000, 10_999, Duration::ZERO), (0, 0));
        assert_eq!(counted(10_000, 11_000, Duration::ZERO), (0, 1));
        assert_eq!(counted(10_000, 11_999, HTTP_DATE), (0, 0));
        assert_eq!(counted(11_000, 10_000, HTTP_DATE), (0, 1));
        assert_eq!(counted(10_000, 15_000, Duration::ZERO), (1, 0));
    }

    #[test]
    fn who_is_behind_whom_is_told() {
        saying(
            &found(20_000, 10_000, Duration::ZERO),
            "is 10.0 s behind that of the database",
        );
        saying(
            &found(10_000, 20_000, Duration::ZERO),
            "is 10.0 s ahead of that of the database",
        );
    }
}
