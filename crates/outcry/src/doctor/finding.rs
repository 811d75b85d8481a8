//! What a judgement comes to.

use serde::Serialize;

/// One thing that was looked at.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Finding {
    /// The part of the installation.
    pub area: &'static str,
    /// How it is.
    pub mark: Mark,
    /// What was found.
    pub says: String,
    /// What to do about it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub mend: Option<String>,
}

/// How something is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Mark {
    /// As it should be.
    Ok,
    /// It works, or cannot be looked at; somebody should know.
    Warning,
    /// It does not work, or must not be so.
    Failed,
}

/// Everything that was found.
#[derive(Debug, Default)]
pub struct Report {
    /// In the order of the parts.
    pub findings: Vec<Finding>,
}

// === impl Finding ===

impl Finding {
    /// Something is as it should be.
    pub fn ok(area: &'static str, says: impl Into<String>) -> Self {
        Self {
            area,
            mark: Mark::Ok,
            says: says.into(),
            mend: None,
        }
    }

    /// Something should be known.
    pub fn warning(area: &'static str, says: impl Into<String>, mend: impl Into<String>) -> Self {
        Self {
            area,
            mark: Mark::Warning,
            says: says.into(),
            mend: Some(mend.into()),
        }
    }

    /// Something is wrong.
    pub fn failed(area: &'static str, says: impl Into<String>, mend: impl Into<String>) -> Self {
        Self {
            area,
            mark: Mark::Failed,
            says: says.into(),
            mend: Some(mend.into()),
        }
    }
}

// === impl Report ===

impl Report {
    /// Adds findings.
    pub fn add(&mut self, findings: impl IntoIterator<Item = Finding>) {
        self.findings.extend(findings);
    }

    /// How many findings are so.
    pub fn count(&self, mark: Mark) -> usize {
        let findings = self.findings.iter();
        findings.filter(|finding| finding.mark == mark).count()
    }

    /// Whether nothing is wrong; `strict`, whether nothing should be known either.
    pub fn is_well(&self, strict: bool) -> bool {
        self.count(Mark::Failed) == 0 && (!strict || self.count(Mark::Warning) == 0)
    }
}

/// What tests of judgements look at.
#[cfg(test)]
pub mod testing {
    use super::{Finding, Mark};

    /// The one finding that says this.
    pub fn saying<'a>(findings: &'a [Finding], part: &str) -> &'a Finding {
        let mut found = findings
            .iter()
            .filter(|finding| finding.says.contains(part));
        match (found.next(), found.next()) {
            (Some(one), None) => one,
            _ => panic!("`{part}` is not said once in {findings:#?}"),
        }
    }

    /// How many findings are wrong, and how many are doubtful.
    pub fn counts(findings: &[Finding]) -> (usize, usize) {
        let count = |mark| {
            findings
                .iter()
                .filter(|finding| finding.mark == mark)
                .count()
        };
        (count(Mark::Failed), count(Mark::Warning))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn warnings_count_only_for_those_who_are_strict() {
        let mut report = Report::default();
        report.add([Finding::ok("a", "x")]);
        assert!(report.is_well(true));
        report.add([Finding::warning("a", "y", "do")]);
        assert!(report.is_well(false) && !report.is_well(true));
        report.add([Finding::failed("a", "z", "do")]);
        assert!(!report.is_well(false));
    }

    #[test]
    fn programs_read_the_mark_as_a_word() {
        let written = serde_json::to_value(Finding::ok("a", "x")).unwrap();
        let expected = serde_json::json!({ "area": "a", "mark": "ok", "says": "x" });
        assert_eq!(written, expected);
    }
}
