//! What a measurement comes to, for people and for scripts.

use std::process::ExitCode;

/// Says how many of its measures are short of their targets, and fails when any is.
pub fn verdict(short: usize, measures: usize) -> ExitCode {
    println!("{short} of {measures} measures are short of their targets");
    if short == 0 {
        ExitCode::SUCCESS
    } else {
        ExitCode::FAILURE
    }
}
