//! README and tutorial as a newcomer follows them: every command in them is run, in the order in which they stand,
//! and what they say one sees is seen. And every link in the documents leads somewhere.
//!
//! What is a command is said by the word behind the fence, which readers of the rendered page do not see: `sh`, and behind it
//!
//! - `terminal=<name>` – it is typed in that terminal, not in the usual one; each keeps its folder and variables;
//! - `stays` – it goes on running; the rest follows when the expected output has come. Whoever types in that
//!   terminal again has pressed Ctrl-C before;
//! - `looks` – it only looks, so it may be typed again until the expected output comes;
//! - `exits=<status>` – it ends with that status, not 0;
//! - `network` – it fetches something, so it runs outside the network that the rest has to itself;
//! - `go`, `java`, `python`, `typescript` – it is left out where that language is not installed (with `CI` set it must be).
//!
//! A fence with `text` behind it, in the line after commands, is what they print: these lines, one after the other, where `…`
//! stands for any text in a line, and in a line of its own for any number of lines.

#![expect(
    clippy::unwrap_used,
    clippy::expect_used,
    reason = "a story stops at the first surprise"
)]

mod checkout;
mod expected;
mod fences;
mod links;
mod machine;
mod reader;
mod stories;
mod terminal;
