//! What a document says that one sees, held against what was printed.

/// Stands for any text in a line, and in a line of its own for any lines.
const ANYTHING: &str = "…";

/// Whether the expected lines were printed, one after the other, from any line on. How much space there is between words
/// does not matter: columns are as wide as what is in them.
pub fn was_printed(expected: &[String], printed: &str) -> bool {
    let printed: Vec<String> = printed.lines().map(plain).collect();
    let expected: Vec<String> = expected
        .iter()
        .map(|line| plain(line))
        .filter(|line| !line.is_empty())
        .collect();
    let printed: Vec<&str> = printed
        .iter()
        .map(String::as_str)
        .filter(|line| !line.is_empty())
        .collect();
    (0..=printed.len()).any(|from| begins(&expected, &printed[from..]))
}

/// Whether the printed lines begin with the expected ones.
fn begins(expected: &[String], printed: &[&str]) -> bool {
    let Some((first, rest)) = expected.split_first() else {
        return true;
    };
    if first == ANYTHING {
        return (0..=printed.len()).any(|skipped| begins(rest, &printed[skipped..]));
    }
    match printed.split_first() {
        Some((line, others)) => fits(first, line) && begins(rest, others),
        None => false,
    }
}

/// Whether a line is as expected.
fn fits(expected: &str, line: &str) -> bool {
    let mut parts = expected.split(ANYTHING);
    let Some(mut rest) = parts.next().and_then(|first| line.strip_prefix(first)) else {
        return false;
    };
    let mut parts: Vec<&str> = parts.collect();
    let Some(last) = parts.pop() else {
        return rest.is_empty();
    };
    for part in parts {
        match rest.find(part) {
            Some(at) => rest = &rest[at + part.len()..],
            None => return false,
        }
    }
    rest.ends_with(last)
}

/// A line without colours, and with single spaces.
fn plain(line: &str) -> String {
    let mut words = String::new();
    let mut letters = line.chars();
    while let Some(letter) = letters.next() {
        if letter == '\u{1b}' {
            // A colour ends with its letter.
            let _colour = letters.by_ref().find(char::is_ascii_alphabetic);
        } else {
            words.push(letter);
        }
    }
    words.split_whitespace().collect::<Vec<_>>().join(" ")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn printed(expected: &str, text: &str) -> bool {
        let expected: Vec<String> = expected.lines().map(str::to_owned).collect();
        was_printed(&expected, text)
    }

    #[test]
    fn lines_are_found_in_a_row_wherever_they_begin() {
        let text = "building\n\nrunning at  http://here\nready\n";
        assert!(printed("running at http://here\nready", text));
        assert!(printed("building\nrunning at …\nready", text));
        assert!(printed("building\n…\nready", text));
        assert!(printed("", text));
        assert!(!printed("building\nready", text));
        assert!(!printed("ready\nrunning at …", text));
        assert!(!printed("ready\nmore", text));
        assert!(!printed("running", text), "a line is a whole line");
    }

    #[test]
    fn what_differs_each_time_is_left_open_and_the_rest_is_not() {
        let line = "\u{1b}[32mok\u{1b}[0m       ports   127.0.0.1:7400 is free";
        assert!(printed("ok ports … is free", line));
        assert!(printed("ok …", line));
        assert!(printed("…7400…free", line));
        assert!(!printed("ok … is taken", line));
        assert!(!printed("FAILED …", line));
        assert!(!printed("aba…ba", "aba"), "no letter counts twice");
    }
}
