//! `outcry completions` and `outcry man`: what shells and readers of manuals are given, made from the command line
//! itself.

use std::fs;
use std::path::Path;

use anyhow::Context as _;
use clap::CommandFactory as _;
use clap_mangen::Man as Page;
use serde_json::json;

use crate::arguments::{Arguments, Completions, Man};
use crate::output::Output;

/// The program as shells know it.
const PROGRAM: &str = "outcry";

/// `outcry completions SHELL`
///
/// # Errors
/// They cannot be written.
pub fn completions(asked: &Completions, out: Output) -> anyhow::Result<()> {
    let mut script = Vec::new();
    clap_complete::generate(asked.shell, &mut Arguments::command(), PROGRAM, &mut script);
    let script = String::from_utf8_lossy(&script);
    if out.is_json() {
        return out.document(&json!({ "shell": asked.shell.to_string(), "script": script }));
    }
    out.text(&script)
}

/// `outcry man`
///
/// # Errors
/// The folder cannot be written.
pub fn pages(asked: &Man, out: Output) -> anyhow::Result<()> {
    let Some(folder) = &asked.folder else {
        let mut page = Vec::new();
        Page::new(Arguments::command())
            .render(&mut page)
            .context("writing the manual page")?;
        let page = String::from_utf8_lossy(&page);
        if out.is_json() {
            return out.document(&json!({ "name": PROGRAM, "page": page }));
        }
        return out.text(&page);
    };
    let pages = write_pages(folder)?;
    if out.is_json() {
        return out.document(&json!({ "folder": folder, "pages": pages }));
    }
    out.line(format_args!(
        "wrote {} pages to {}; `man -l {}` shows the first",
        pages.len(),
        folder.display(),
        folder.join("outcry.1").display()
    ))
}

/// Writes a page for each command; their names.
fn write_pages(folder: &Path) -> anyhow::Result<Vec<String>> {
    let writing = || {
        format!(
            "writing manual pages to {}; name a folder of your own",
            folder.display()
        )
    };
    fs::create_dir_all(folder).with_context(writing)?;
    clap_mangen::generate_to(Arguments::command(), folder).with_context(writing)?;
    let mut pages = Vec::new();
    for entry in fs::read_dir(folder).with_context(writing)? {
        let name = entry.with_context(writing)?.file_name();
        let name = name.to_string_lossy();
        if name.starts_with(PROGRAM) && name.ends_with(".1") {
            pages.push(name.into_owned());
        }
    }
    pages.sort();
    Ok(pages)
}

#[cfg(test)]
mod tests {
    use clap::ValueEnum as _;
    use clap_complete::Shell;

    use super::*;

    #[test]
    fn the_command_line_is_one_that_clap_accepts() {
        Arguments::command().debug_assert();
    }

    #[test]
    fn every_shell_completes_every_verb() {
        for shell in Shell::value_variants() {
            let mut script = Vec::new();
            clap_complete::generate(*shell, &mut Arguments::command(), PROGRAM, &mut script);
            let script = String::from_utf8(script).unwrap();
            for verb in Arguments::command().get_subcommands() {
                assert!(
                    script.contains(verb.get_name()),
                    "{shell}: {}",
                    verb.get_name()
                );
            }
        }
    }

    #[test]
    fn every_verb_has_a_page_and_the_first_one_says_what_exit_codes_mean() {
        let folder = tempfile::tempdir().unwrap();
        let pages = write_pages(&folder.path().join("man1")).unwrap();
        for verb in Arguments::command().get_subcommands() {
            let page = format!("outcry-{}.1", verb.get_name());
            assert!(pages.contains(&page), "{page} is not in {pages:?}");
        }
        let first = fs::read_to_string(folder.path().join("man1/outcry.1")).unwrap();
        assert!(first.contains("Exit codes"), "{first}");
    }
}
