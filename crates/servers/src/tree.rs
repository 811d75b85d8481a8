//! All processes below one.
//!
//! PostgreSQL puts each of its processes in a session and group of its own, so that a signal to
//! the group of the server would miss those that are just writing.

use std::collections::BTreeMap;
use std::process::Command;
use std::time::Duration;

use rustix::process::{Pid, Signal};

/// How long between two looks at processes that are about to change their state.
pub(crate) const LOOK: Duration = Duration::from_millis(5);

/// What is known of a process.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Seen {
    parent: u32,
    /// First letter of the state: `T` stopped, `Z` ended and not yet collected.
    state: char,
}

/// Which of these processes have not ended.
pub(crate) fn alive(processes: &[u32]) -> Vec<u32> {
    let seen = all();
    let runs = |id: &u32| seen.get(id).is_some_and(|seen| seen.state != 'Z');
    processes.iter().copied().filter(runs).collect()
}

/// Stops a process and all below it, and returns them, the process itself first.
///
/// A stopped process starts no others, so looking again until nothing new is found finds all.
pub(crate) async fn freeze(root: u32) -> Vec<u32> {
    let mut frozen: Vec<u32> = Vec::new();
    loop {
        let seen = all();
        let found = below(&seen, root);
        let new: Vec<u32> = found
            .iter()
            .copied()
            .filter(|id| !frozen.contains(id))
            .collect();
        let moving = |id: &u32| seen.get(id).is_some_and(|seen| !"TtZ".contains(seen.state));
        if new.is_empty() && !found.iter().any(moving) {
            return frozen;
        }
        signal(&new, Signal::STOP);
        frozen.extend(new);
        tokio::time::sleep(LOOK).await;
    }
}

/// The process, if it is there, and all below it.
pub(crate) fn family(root: u32) -> Vec<u32> {
    below(&all(), root)
}

/// Signals processes; those that have ended meanwhile need none.
pub(crate) fn signal(processes: &[u32], signal: Signal) {
    for id in processes {
        let pid = i32::try_from(*id).ok().and_then(Pid::from_raw);
        if let Some(pid) = pid
            && let Err(error) = rustix::process::kill_process(pid, signal)
            && error != rustix::io::Errno::SRCH
        {
            tracing::warn!(id, %error, "cannot signal a server process");
        }
    }
}

fn below(seen: &BTreeMap<u32, Seen>, root: u32) -> Vec<u32> {
    let mut found = Vec::new();
    if seen.contains_key(&root) {
        found.push(root);
    }
    let mut next = 0;
    while let Some(parent) = found.get(next).copied() {
        let children = seen.iter().filter(|(_, seen)| seen.parent == parent);
        found.extend(children.map(|(id, _)| *id));
        next += 1;
    }
    found
}

/// All processes of the machine.
fn all() -> BTreeMap<u32, Seen> {
    let Ok(entries) = std::fs::read_dir("/proc") else {
        return listed();
    };
    entries
        .flatten()
        .filter_map(|entry| {
            let id = entry.file_name().to_str()?.parse().ok()?;
            let stat = std::fs::read_to_string(entry.path().join("stat")).ok()?;
            Some((id, stated(&stat)?))
        })
        .collect()
}

/// Reads a line of `/proc/<id>/stat`; the name in it may contain spaces and brackets.
fn stated(stat: &str) -> Option<Seen> {
    let (_, fields) = stat.rsplit_once(") ")?;
    let mut fields = fields.split(' ');
    Some(Seen {
        state: fields.next()?.chars().next()?,
        parent: fields.next()?.parse().ok()?,
    })
}

/// The same where there is no `/proc`.
fn listed() -> BTreeMap<u32, Seen> {
    let output = Command::new("ps")
        .args(["-A", "-o", "pid=,ppid=,stat="])
        .output();
    let text = output.map(|output| output.stdout).unwrap_or_default();
    String::from_utf8_lossy(&text)
        .lines()
        .filter_map(|line| {
            let mut fields = line.split_whitespace();
            let id = fields.next()?.parse().ok()?;
            let parent = fields.next()?.parse().ok()?;
            let state = fields.next()?.chars().next()?;
            Some((id, Seen { parent, state }))
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_with_brackets_does_not_hide_state_and_parent() {
        let seen = stated("7 (a) b (c)) S 3 7 7 0 -1").expect("a line");
        assert_eq!((seen.state, seen.parent), ('S', 3));
    }

    #[test]
    fn a_family_has_children_and_their_children_and_nobody_else() {
        let seen = [(1, 0), (2, 1), (3, 2), (4, 3), (5, 1)]
            .into_iter()
            .map(|(id, parent)| (id, Seen { parent, state: 'S' }))
            .collect();
        assert_eq!(below(&seen, 2), [2, 3, 4]);
        assert_eq!(below(&seen, 9), [] as [u32; 0]);
    }
}
