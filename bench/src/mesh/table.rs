//! The table that is printed, and whether everything in it is as it should be.

use std::fmt;

/// What one measure came to, on both sides.
#[derive(Debug, Clone)]
pub struct Row {
    rig: &'static str,
    measure: String,
    bare: String,
    outcry: String,
    target: String,
    verdict: Option<bool>,
}

// === impl Row ===

impl Row {
    /// A measure that is judged.
    pub fn judged(
        rig: &'static str,
        measure: impl Into<String>,
        [bare, outcry]: [String; 2],
        target: impl Into<String>,
        passes: bool,
    ) -> Self {
        Self {
            rig,
            measure: measure.into(),
            bare,
            outcry,
            target: target.into(),
            verdict: Some(passes),
        }
    }

    /// A measure that is told only.
    pub fn told(
        rig: &'static str,
        measure: impl Into<String>,
        [bare, outcry]: [String; 2],
    ) -> Self {
        Self {
            rig,
            measure: measure.into(),
            bare,
            outcry,
            target: String::new(),
            verdict: None,
        }
    }

    /// Whether the target was missed.
    pub fn is_short(&self) -> bool {
        self.verdict == Some(false)
    }

    fn cells(&self) -> [&str; 6] {
        let verdict = match self.verdict {
            Some(true) => "pass",
            Some(false) => "SHORT",
            None => "",
        };
        [
            self.rig,
            &self.measure,
            &self.bare,
            &self.outcry,
            &self.target,
            verdict,
        ]
    }
}

/// All rows, one below the other.
pub struct Table<'a>(pub &'a [Row]);

impl fmt::Display for Table<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let head = ["rig", "measure", "bare tonic", "Outcry", "target", ""];
        let lines: Vec<_> = std::iter::once(head)
            .chain(self.0.iter().map(Row::cells))
            .collect();
        let mut widths = [0; 6];
        for line in &lines {
            for (width, cell) in widths.iter_mut().zip(line) {
                *width = (*width).max(cell.chars().count());
            }
        }
        for line in lines {
            let cells = line.iter().zip(widths);
            let text: Vec<_> = cells
                .map(|(cell, width)| format!("{cell:<width$}"))
                .collect();
            writeln!(f, "{}", text.join("  ").trim_end())?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn cells_stand_below_each_other_and_a_missed_target_shows() {
        let both = || ["1".to_owned(), "22".to_owned()];
        let rows = [
            Row::told("dead", "calls", both()),
            Row::judged("slow", "share", both(), "< 5%", false),
        ];
        let text = Table(&rows).to_string();
        let lines: Vec<_> = text.lines().collect();
        assert_eq!(lines[1], "dead  calls    1           22");
        assert_eq!(lines[2], "slow  share    1           22      < 5%    SHORT");
        assert_eq!(rows.map(|row| row.is_short()), [false, true]);
    }
}
