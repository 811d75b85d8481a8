//! The commands in a document, and what they are to print.

/// Languages whose blocks are left out where their program is missing, with it.
pub const LANGUAGES: [(&str, &str); 4] = [
    ("go", "go"),
    ("java", "mvn"),
    ("python", "python3"),
    ("typescript", "npm"),
];

/// Words behind a fence by which commands would escape their being run.
const MISTAKEN: [&str; 5] = ["bash", "shell", "console", "zsh", "shell-session"];

/// The terminal in which commands are typed that name none.
const USUAL: &str = "usual";

/// Commands that are typed together.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Block {
    /// Where it begins, for whoever has to look.
    pub line: usize,
    pub commands: String,
    pub terminal: String,
    pub stays: bool,
    pub looks: bool,
    pub network: bool,
    pub exits: i32,
    /// Program without which it is left out.
    pub needs: Option<&'static str>,
    /// Lines it prints.
    pub expected: Vec<String>,
}

/// A fence as it stands.
struct Fence<'a> {
    line: usize,
    /// Lines from its first to its last.
    lines: usize,
    info: &'a str,
    text: String,
}

/// Every block of commands in a document.
///
/// # Errors
/// A fence that could be meant as commands is none, with where it is.
pub fn blocks(document: &str) -> Result<Vec<Block>, String> {
    let mut blocks: Vec<Block> = Vec::new();
    let mut output_at = 0;
    for fence in fences(document)? {
        let mut words = fence.info.split_whitespace();
        match words.next() {
            Some("sh") => blocks.push(block(&fence, words)?),
            Some("text") if fence.line == output_at => {
                let last = blocks.last_mut().expect("a block before");
                last.expected = fence.text.lines().map(str::to_owned).collect();
            }
            None => return Err(format!("line {}: say what this is", fence.line)),
            Some(word) if MISTAKEN.contains(&word) => {
                return Err(format!(
                    "line {}: commands are `sh`, not `{word}`",
                    fence.line
                ));
            }
            Some(_) => {}
        }
        if fence.info.split_whitespace().next() == Some("sh") {
            output_at = fence.line + fence.lines;
        }
    }
    for block in &blocks {
        if (block.stays || block.looks) && block.expected.is_empty() {
            return Err(format!("line {}: what is waited for?", block.line));
        }
    }
    Ok(blocks)
}

fn fences(document: &str) -> Result<Vec<Fence<'_>>, String> {
    let mut fences = Vec::new();
    let mut open: Option<Fence<'_>> = None;
    for (at, line) in document.lines().enumerate() {
        let fence = line.trim_start().strip_prefix("```");
        open = match (open.take(), fence) {
            (None, None) => None,
            (None, Some(info)) => Some(Fence {
                line: at + 1,
                lines: 0,
                info: info.trim(),
                text: String::new(),
            }),
            (Some(mut inside), None) => {
                inside.text.push_str(line);
                inside.text.push('\n');
                Some(inside)
            }
            (Some(mut inside), Some(_)) => {
                inside.lines = at + 2 - inside.line;
                fences.push(inside);
                None
            }
        };
    }
    match open {
        None => Ok(fences),
        Some(open) => Err(format!("line {}: a fence without end", open.line)),
    }
}

fn block<'a>(fence: &Fence<'_>, words: impl Iterator<Item = &'a str>) -> Result<Block, String> {
    let mut block = Block {
        line: fence.line,
        commands: fence.text.clone(),
        terminal: USUAL.to_owned(),
        stays: false,
        looks: false,
        network: false,
        exits: 0,
        needs: None,
        expected: Vec::new(),
    };
    for word in words {
        let unknown = || format!("line {}: what is `{word}`?", fence.line);
        match word.split_once('=') {
            Some(("terminal", name)) => name.clone_into(&mut block.terminal),
            Some(("exits", status)) => block.exits = status.parse().map_err(|_| unknown())?,
            Some(_) => return Err(unknown()),
            None if word == "stays" => block.stays = true,
            None if word == "looks" => block.looks = true,
            None if word == "network" => block.network = true,
            None => {
                let known = LANGUAGES.iter().find(|(language, _)| *language == word);
                block.needs = Some(known.ok_or_else(unknown)?.1);
            }
        }
    }
    Ok(block)
}

#[cfg(test)]
mod tests {
    use super::*;

    const DOCUMENT: &str = "\
# A page
```sh terminal=platform stays
up # as it goes
```
```text
running
```
It looks like this:
```text
a drawing
```
```sh go exits=3
one
two
```
```toml
not = \"run\"
```
";

    #[test]
    fn commands_are_found_with_what_is_said_of_them_and_what_they_print() {
        let found = blocks(DOCUMENT).unwrap();
        let [up, go] = found.as_slice() else {
            panic!("{found:#?}");
        };
        assert_eq!((up.line, up.commands.as_str()), (2, "up # as it goes\n"));
        assert_eq!((up.terminal.as_str(), up.stays), ("platform", true));
        assert_eq!(up.expected, ["running"]);
        assert_eq!((go.line, go.commands.as_str()), (12, "one\ntwo\n"));
        assert_eq!((go.needs, go.exits), (Some("go"), 3));
        assert_eq!((go.terminal.as_str(), go.stays), (USUAL, false));
        assert!(go.expected.is_empty());
    }

    #[test]
    fn nothing_that_looks_like_commands_is_passed_over() {
        for (document, complaint) in [
            (
                "```bash\nls\n```\n",
                "line 1: commands are `sh`, not `bash`",
            ),
            ("\n```\nls\n```\n", "line 2: say what this is"),
            ("```sh cobol\nls\n```\n", "line 1: what is `cobol`?"),
            (
                "```sh exits=well\nls\n```\n",
                "line 1: what is `exits=well`?",
            ),
            ("```sh stays\nls\n```\n", "line 1: what is waited for?"),
            ("```sh\nls\n", "line 1: a fence without end"),
        ] {
            assert_eq!(blocks(document).unwrap_err(), complaint);
        }
    }
}
