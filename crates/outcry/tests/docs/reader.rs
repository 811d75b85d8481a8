//! Somebody who follows a document, command by command.

use std::collections::BTreeMap;
use std::fs::File;
use std::process::{Command, Stdio};
use std::thread::sleep;
use std::time::{Duration, Instant};

use super::checkout::{Checkout, root};
use super::expected::was_printed;
use super::fences::{Block, blocks};
use super::machine::Machine;
use super::terminal::{Ended, Terminal, fresh};

/// How long one block may take before the reader gives up: generous, for a busy machine.
const PATIENCE: Duration = Duration::from_secs(120);

/// The same for what fetches: a first build needs everything.
const FETCH_MAX: Duration = Duration::from_secs(900);

/// How often a screen is looked at.
const LOOK_EVERY: Duration = Duration::from_millis(50);

/// Between two times of typing the same again.
const AGAIN_AFTER: Duration = Duration::from_millis(500);

/// A newcomer with a machine and a clone.
pub struct Reader {
    document: String,
    machine: Machine,
    checkout: Checkout,
    terminals: BTreeMap<String, Terminal>,
}

/// Follows a document to its end.
pub fn follow(document: &str) {
    let text = std::fs::read_to_string(root().join(document)).unwrap();
    let blocks = blocks(&text).unwrap_or_else(|error| panic!("{document}, {error}"));
    assert!(!blocks.is_empty(), "{document} has no commands");
    let mut reader = Reader {
        document: document.to_owned(),
        machine: Machine::start(),
        checkout: Checkout::new(),
        terminals: BTreeMap::new(),
    };
    for block in &blocks {
        if let Some(program) = block.needs.filter(|program| !is_there(program)) {
            let why = format!("{}: there is no {program}", reader.place(block));
            assert!(std::env::var_os("CI").is_none(), "{why}");
            println!("{why}; left out");
            continue;
        }
        let began = Instant::now();
        reader.follow(block);
        println!("{}: {:.1?}", reader.place(block), began.elapsed());
    }
    // First those who use the machine, then the machine.
    reader.terminals.clear();
}

/// Whether a program is installed.
fn is_there(program: &str) -> bool {
    let mut look = Command::new("sh");
    look.args(["-c", "command -v \"$0\"", program])
        .stdout(Stdio::null());
    look.status().unwrap().success()
}

// === impl Reader ===

impl Reader {
    fn place(&self, block: &Block) -> String {
        format!("{}, line {}", self.document, block.line)
    }

    fn follow(&mut self, block: &Block) {
        if block.network {
            return self.fetch(block);
        }
        self.ready(block);
        let end = Instant::now() + PATIENCE;
        loop {
            self.terminal(block).type_in(
                &block.commands,
                block.stays || block.exits != 0 || block.looks,
            );
            let (ended, printed) = self.wait(block, end);
            let as_said = was_printed(&block.expected, &printed)
                && (block.stays || ended == Ended::With(block.exits));
            if as_said {
                return;
            }
            if !block.looks || Instant::now() > end {
                let (place, commands) = (self.place(block), &block.commands);
                panic!(
                    "{place}:\n{commands}ended {ended:?}, not with {}, or did not print\n{}\nbut\n{printed}\n{}",
                    block.exits,
                    block.expected.join("\n"),
                    self.others(block),
                );
            }
            sleep(AGAIN_AFTER);
        }
    }

    /// Runs what fetches something outside of the machine, in the clone.
    fn fetch(&self, block: &Block) {
        let screen = self
            .checkout
            .typed()
            .join(format!("fetched-{}", block.line));
        let file = File::create(&screen).unwrap();
        let mut shell = Command::new("bash");
        shell
            .args(["-e", "-o", "pipefail", "-c", &block.commands])
            .current_dir(self.checkout.clone_folder())
            .stdin(Stdio::null())
            .stdout(file.try_clone().unwrap())
            .stderr(file);
        fresh(&mut shell, &self.checkout);
        let mut shell = shell.spawn().unwrap();
        let end = Instant::now() + FETCH_MAX;
        let status = loop {
            if let Some(status) = shell.try_wait().unwrap() {
                break status;
            }
            if Instant::now() > end {
                let _killed = shell.kill();
            }
            sleep(LOOK_EVERY);
        };
        let printed = std::fs::read_to_string(&screen).unwrap();
        assert!(
            status.code() == Some(block.exits) && was_printed(&block.expected, &printed),
            "{}:\n{}ended with {status}, not {}, or did not print\n{}\nbut\n{printed}",
            self.place(block),
            block.commands,
            block.exits,
            block.expected.join("\n"),
        );
    }

    /// A terminal in which something runs has to be free before something is typed there.
    fn ready(&mut self, block: &Block) {
        if self.terminal(block).ended() == Ended::No {
            self.terminals[&block.terminal].interrupt(&self.machine);
        }
        let end = Instant::now() + PATIENCE;
        while self.terminal(block).ended() == Ended::No {
            let place = self.place(block);
            assert!(
                Instant::now() < end,
                "{place}: the command before does not end"
            );
            sleep(LOOK_EVERY);
        }
    }

    /// Waits for the end of what was typed; of what stays, for what it is to print.
    fn wait(&mut self, block: &Block, end: Instant) -> (Ended, String) {
        loop {
            let ended = self.terminal(block).ended();
            let printed = self.terminal(block).printed();
            let seen = block.stays && was_printed(&block.expected, &printed);
            if ended != Ended::No || seen || Instant::now() > end {
                return (ended, printed);
            }
            sleep(LOOK_EVERY);
        }
    }

    fn terminal(&mut self, block: &Block) -> &mut Terminal {
        let (machine, checkout) = (&self.machine, &self.checkout);
        self.terminals
            .entry(block.terminal.clone())
            .or_insert_with_key(|name| Terminal::open(machine, checkout, name))
    }

    /// What stands in the other terminals: the platform may have said why.
    fn others(&self, block: &Block) -> String {
        let others = self.terminals.iter();
        others
            .filter(|(name, _)| **name != block.terminal)
            .map(|(name, terminal)| format!("terminal {name}:\n{}\n", terminal.printed()))
            .collect()
    }
}
