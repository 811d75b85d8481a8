//! What a run of the benchmark came to: chapters of measures, for people and for programs.

use std::fmt::Write as _;
use std::path::Path;

use anyhow::Context as _;
use serde::{Deserialize, Deserializer, Serialize};

/// Title of what is measured before any chapter has begun.
const UNTITLED: &str = "Measures";

/// What a measure must come to.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Target {
    /// This or more.
    AtLeast(f64),
    /// This or less.
    AtMost(f64),
    /// Nothing: it is told only.
    None,
}

/// How a measure stands to its target.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Verdict {
    /// The target is met.
    Pass,
    /// It is not.
    Short,
}

/// Chapters in the order in which they were measured first. It prints as it grows.
#[derive(Debug, Default, Serialize, Deserialize)]
pub struct Report {
    facts: Vec<Fact>,
    chapters: Vec<Chapter>,
    /// What is measured, and on which machine.
    #[serde(skip)]
    subject: String,
    /// The chapter that measures belong to.
    #[serde(skip)]
    current: usize,
}

/// Something one must know to read the numbers: the machine, a version, the command.
#[derive(Debug, Serialize, Deserialize)]
struct Fact {
    name: String,
    value: String,
}

/// Measures that belong together.
#[derive(Debug, Serialize, Deserialize)]
struct Chapter {
    title: String,
    /// What was measured, and on which machine.
    subject: String,
    measures: Vec<Measure>,
    notes: Vec<String>,
}

/// One number.
#[derive(Debug, Serialize, Deserialize)]
struct Measure {
    name: String,
    /// `null` in JSON when it could not be measured.
    #[serde(deserialize_with = "number_or_none")]
    value: f64,
    unit: String,
    target: Target,
    verdict: Option<Verdict>,
}

// === impl Target ===

impl Target {
    /// How a value stands to it. What could not be measured meets no target.
    pub fn judge(self, value: f64) -> Option<Verdict> {
        let is_met = match self {
            Self::AtLeast(least) => value >= least,
            Self::AtMost(most) => value <= most,
            Self::None => return None,
        };
        Some(if is_met {
            Verdict::Pass
        } else {
            Verdict::Short
        })
    }

    fn shown(self) -> String {
        match self {
            Self::AtLeast(least) => format!(">= {}", shown(least)),
            Self::AtMost(most) => format!("<= {}", shown(most)),
            Self::None => String::new(),
        }
    }
}

// === impl Verdict ===

impl Verdict {
    fn word(verdict: Option<Self>) -> &'static str {
        match verdict {
            Some(Self::Pass) => "pass",
            Some(Self::Short) => "SHORT",
            None => "",
        }
    }
}

// === impl Report ===

impl Report {
    /// One with nothing in it, about a revision on a machine.
    pub fn new(subject: impl Into<String>) -> Self {
        Self {
            subject: subject.into(),
            ..Self::default()
        }
    }

    /// What [`write`](Self::write) has written before. Chapters that are measured again take the places of those of
    /// the same title, and all others stay.
    pub fn resume(json: &Path, subject: impl Into<String>) -> anyhow::Result<Self> {
        let read = || anyhow::Ok(serde_json::from_str(&std::fs::read_to_string(json)?)?);
        let before: Self = read().with_context(|| format!("reading {}", json.display()))?;
        Ok(Self {
            subject: subject.into(),
            current: before.chapters.len(),
            ..before
        })
    }

    /// Adds a fact; one that is there already is told once.
    pub fn fact(&mut self, name: impl Into<String>, value: impl Into<String>) {
        let (name, value) = (name.into(), value.into());
        let is_known = |fact: &Fact| fact.name == name && fact.value == value;
        if self.facts.iter().any(is_known) {
            return;
        }
        println!("{name}: {value}");
        self.facts.push(Fact { name, value });
    }

    /// Begins a chapter: what comes next belongs to it.
    pub fn chapter(&mut self, title: impl Into<String>) {
        let title = title.into();
        println!("\n== {title}");
        let place = self.chapters.iter().position(|one| one.title == title);
        let chapter = Chapter {
            title,
            subject: self.subject.clone(),
            measures: Vec::new(),
            notes: Vec::new(),
        };
        self.current = place.unwrap_or(self.chapters.len());
        match self.chapters.get_mut(self.current) {
            Some(before) => *before = chapter,
            None => self.chapters.push(chapter),
        }
    }

    /// Adds a measure and judges it.
    pub fn measure(&mut self, name: impl Into<String>, value: f64, unit: &str, target: Target) {
        let measure = Measure {
            name: name.into(),
            value,
            unit: unit.to_owned(),
            target,
            verdict: target.judge(value),
        };
        println!("{}", measure.line());
        self.current().measures.push(measure);
    }

    /// Adds a measure that could not be made, which counts as short of its target.
    pub fn missing(&mut self, name: impl Into<String>, target: Target, why: impl Into<String>) {
        let name = name.into();
        let why = why.into();
        let measure = Measure {
            name: name.clone(),
            value: f64::NAN,
            unit: String::new(),
            target,
            verdict: Some(Verdict::Short),
        };
        println!("{}", measure.line());
        self.current().measures.push(measure);
        self.note(format!("{name}: not measured, {why}"));
    }

    /// Adds something one must know to read the chapter.
    pub fn note(&mut self, text: impl Into<String>) {
        let text = text.into();
        println!("   {text}");
        self.current().notes.push(text);
    }

    /// How many measures have a target.
    pub fn judged(&self) -> usize {
        self.count(|verdict| verdict.is_some())
    }

    /// How many of them are short of it.
    pub fn short(&self) -> usize {
        self.count(|verdict| verdict == Some(Verdict::Short))
    }

    fn count(&self, is_meant: impl Fn(Option<Verdict>) -> bool) -> usize {
        let chapters = self.chapters.iter();
        let measures = chapters.flat_map(|chapter| &chapter.measures);
        measures.filter(|one| is_meant(one.verdict)).count()
    }

    /// Writes it as Markdown, and as JSON beside that.
    pub fn write(&self, markdown: &Path) -> anyhow::Result<()> {
        let json = markdown.with_extension("json");
        let write = |path: &Path, text: String| {
            std::fs::write(path, text).with_context(|| format!("writing {}", path.display()))
        };
        write(markdown, self.markdown())?;
        write(&json, serde_json::to_string_pretty(self)? + "\n")
    }

    fn markdown(&self) -> String {
        let mut text = String::from("# Benchmarks\n\n");
        let _ = writeln!(
            text,
            "{} of {} measures with a target are short of it.\n",
            self.short(),
            self.judged()
        );
        let facts = self
            .facts
            .iter()
            .map(|fact| [fact.name.clone(), fact.value.clone()]);
        table(&mut text, ["", ""], facts);
        for chapter in &self.chapters {
            let _ = writeln!(text, "\n## {}\n", chapter.title);
            let _ = writeln!(text, "Measured: {}.\n", chapter.subject);
            let head = ["measure", "value", "unit", "target", ""];
            table(&mut text, head, chapter.measures.iter().map(Measure::cells));
            if !chapter.notes.is_empty() {
                text.push('\n');
            }
            for note in &chapter.notes {
                let _ = writeln!(text, "- {note}");
            }
        }
        text
    }

    fn current(&mut self) -> &mut Chapter {
        if self.current >= self.chapters.len() {
            self.chapter(UNTITLED);
        }
        &mut self.chapters[self.current]
    }
}

// === impl Measure ===

impl Measure {
    fn cells(&self) -> [String; 5] {
        [
            self.name.clone(),
            shown(self.value),
            self.unit.clone(),
            self.target.shown(),
            Verdict::word(self.verdict).to_owned(),
        ]
    }

    fn line(&self) -> String {
        let [name, value, unit, target, verdict] = self.cells();
        let line = format!("{name:<62} {value:>10} {unit:<10} {target:<10} {verdict}");
        line.trim_end().to_owned()
    }
}

/// What JSON has for a number, which may be none.
fn number_or_none<'de, D: Deserializer<'de>>(value: D) -> Result<f64, D::Error> {
    Ok(Option::deserialize(value)?.unwrap_or(f64::NAN))
}

/// Writes a Markdown table; none without rows.
fn table<const N: usize>(
    text: &mut String,
    head: [&str; N],
    rows: impl Iterator<Item = [String; N]>,
) {
    let mut rows = rows.peekable();
    if rows.peek().is_none() {
        return;
    }
    let _ = writeln!(text, "| {} |", head.join(" | "));
    let _ = writeln!(text, "|{}", "---|".repeat(N));
    for row in rows {
        let cells = row.map(|cell| cell.replace('|', "\\|"));
        let _ = writeln!(text, "| {} |", cells.join(" | "));
    }
}

/// A number with three digits that count, and its thousands apart.
fn shown(value: f64) -> String {
    if !value.is_finite() {
        return "-".to_owned();
    }
    let decimals = match value.abs() {
        0.0 => 0,
        size if size >= 100.0 => 0,
        size if size >= 10.0 => 1,
        size if size >= 1.0 => 2,
        _ => 3,
    };
    let number = format!("{value:.decimals$}");
    let dot = number.find('.').unwrap_or(number.len());
    let (whole, rest) = number.split_at(dot);
    let (sign, digits) = match whole.strip_prefix('-') {
        Some(digits) => ("-", digits),
        None => ("", whole),
    };
    let mut text = String::from(sign);
    for (place, digit) in digits.chars().enumerate() {
        if place > 0 && (digits.len() - place).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text + rest
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_value_at_its_target_passes_and_what_was_not_measured_never_does() {
        assert_eq!(Target::AtLeast(0.9).judge(0.9), Some(Verdict::Pass));
        assert_eq!(Target::AtLeast(0.9).judge(0.89), Some(Verdict::Short));
        assert_eq!(Target::AtMost(0.0).judge(0.0), Some(Verdict::Pass));
        assert_eq!(Target::AtMost(0.0).judge(1.0), Some(Verdict::Short));
        assert_eq!(Target::AtMost(0.0).judge(f64::NAN), Some(Verdict::Short));
        assert_eq!(Target::None.judge(f64::NAN), None);
    }

    #[test]
    fn numbers_are_shown_with_the_digits_that_count() {
        let all = [0.0, 0.0123, 1.234, 12.34, 123.4, 1_234_567.8, -1_234.0];
        assert_eq!(
            all.map(shown),
            ["0", "0.012", "1.23", "12.3", "123", "1,234,568", "-1,234"]
        );
        assert_eq!(shown(f64::NAN), "-");
    }

    #[test]
    fn a_report_counts_what_is_short_and_has_all_of_it_in_both_forms() {
        let mut report = Report::new("abc");
        report.fact("machine", "one");
        report.fact("machine", "one");
        report.chapter("Publish");
        report.measure("rate", 1_000.0, "1/s", Target::None);
        report.measure("ratio", 0.5, "", Target::AtLeast(0.9));
        report.missing("other", Target::AtMost(1.0), "there is no toolchain");
        assert_eq!((report.short(), report.judged()), (2, 2));

        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("report.md");
        report.write(&path).unwrap();
        let text = std::fs::read_to_string(&path).unwrap();
        assert_eq!(text.matches("| machine | one |").count(), 1);
        assert!(text.contains("| rate | 1,000 | 1/s |  |  |"), "{text}");
        assert!(
            text.contains("| ratio | 0.500 |  | >= 0.900 | SHORT |"),
            "{text}"
        );
        assert!(text.contains("- other: not measured, there is no toolchain"));
        let json = std::fs::read_to_string(path.with_extension("json")).unwrap();
        let json: serde_json::Value = serde_json::from_str(&json).unwrap();
        let measures = &json["chapters"][0]["measures"];
        assert_eq!(measures[1]["target"]["at_least"], 0.9);
        assert_eq!(measures[1]["verdict"], "short");
        assert!(measures[2]["value"].is_null());
    }

    #[test]
    fn a_chapter_that_is_measured_again_takes_the_place_of_the_one_before() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("report.md");
        let mut first = Report::new("first");
        for title in ["One", "Two", "Three"] {
            first.chapter(title);
            first.missing("rate", Target::AtLeast(1.0), "nobody knows");
        }
        first.write(&path).unwrap();
        let mut second = Report::resume(&path.with_extension("json"), "second").unwrap();
        second.chapter("Two");
        second.measure("rate", 2.0, "1/s", Target::AtLeast(1.0));
        second.chapter("Four");
        assert_eq!((second.short(), second.judged()), (2, 3));
        second.write(&path).unwrap();
        let text = std::fs::read_to_string(&path).unwrap();
        let lines = text.lines();
        let lines: Vec<_> = lines
            .filter(|line| line.starts_with("## ") || line.starts_with("Measured"))
            .collect();
        let [one, again] = ["Measured: first.", "Measured: second."];
        assert_eq!(
            lines,
            [
                "## One", one, "## Two", again, "## Three", one, "## Four", again
            ]
        );
    }
}
