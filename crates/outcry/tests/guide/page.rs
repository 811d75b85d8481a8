//! A page whose blocks can be followed: files, changes of files, commands.

/// What the page says to do.
#[derive(Debug, PartialEq)]
pub enum Block {
    /// Write a file that is not there yet.
    File { path: String, text: String },
    /// Change a file that is there.
    Change { path: String, hunks: Vec<Hunk> },
    /// Run commands in the project's folder.
    Commands(String),
}

/// Lines that stand in a file, and what they become.
#[derive(Debug, PartialEq)]
pub struct Hunk {
    pub from: String,
    pub to: String,
}

/// The blocks of a page, in its order.
pub fn blocks(page: &str) -> Result<Vec<Block>, String> {
    let mut blocks = Vec::new();
    let mut open: Option<(&str, String)> = None;
    for line in page.lines() {
        match (line.strip_prefix("```"), open.as_mut()) {
            (Some(info), None) => open = Some((info, String::new())),
            (Some(_), Some(_)) => {
                let (info, text) = open.take().unwrap();
                blocks.push(block(info, text)?);
            }
            (None, Some((_, text))) => *text += &format!("{line}\n"),
            (None, None) => {}
        }
    }
    match open {
        None => Ok(blocks),
        Some((info, _)) => Err(format!("the block `{info}` does not end")),
    }
}

fn block(info: &str, text: String) -> Result<Block, String> {
    match info.split_once(' ') {
        None if info == "sh" => Ok(Block::Commands(text)),
        Some(("diff", path)) => {
            let hunks = text.split("@@\n").map(|lines| hunk(lines, path));
            Ok(Block::Change {
                path: path.to_owned(),
                hunks: hunks.collect::<Result<_, _>>()?,
            })
        }
        Some((_, path)) => Ok(Block::File {
            path: path.to_owned(),
            text,
        }),
        None => Err(format!("a block `{info}` is neither commands nor a file")),
    }
}

fn hunk(lines: &str, path: &str) -> Result<Hunk, String> {
    let (mut from, mut to) = (String::new(), String::new());
    for line in lines.lines() {
        let (mark, rest) = line.split_at(line.len().min(1));
        let rest = format!("{rest}\n");
        match mark {
            "-" => from += &rest,
            "+" => to += &rest,
            " " | "" => {
                from += &rest;
                to += &rest;
            }
            _ => return Err(format!("{path}: a line of a change begins so: {line}")),
        }
    }
    if from.is_empty() || from == to {
        return Err(format!("{path}: a change that says nothing"));
    }
    Ok(Hunk { from, to })
}

#[test]
fn a_page_is_read_block_by_block() {
    let page = "Text.\n```rust a.rs\nfn a() {}\n```\n```diff b\n one\n-two\n+2\n@@\n+0\n three\n```\n```sh\nmake\n```\n";
    let hunk = |from: &str, to: &str| Hunk {
        from: from.to_owned(),
        to: to.to_owned(),
    };
    let read = [
        Block::File {
            path: "a.rs".to_owned(),
            text: "fn a() {}\n".to_owned(),
        },
        Block::Change {
            path: "b".to_owned(),
            hunks: vec![
                hunk("one\ntwo\n", "one\n2\n"),
                hunk("three\n", "0\nthree\n"),
            ],
        },
        Block::Commands("make\n".to_owned()),
    ];
    assert_eq!(blocks(page).unwrap(), read);
    for wrong in [
        "```sh\nmake\n",
        "```\nmake\n```\n",
        "```diff b\n one\n```\n",
    ] {
        assert!(blocks(wrong).is_err(), "{wrong}");
    }
}
