//! Writes the `Validate` implementations.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use prost_reflect::{FieldDescriptor, Kind, MessageDescriptor, OneofDescriptor};

use crate::generator::rules::{self, Check, Fails, FieldRules, Ignore};
use crate::generator::{Refusals, naming};

/// Rust source of `validators.rs`.
pub fn write(messages: &[MessageDescriptor], refusals: &mut Refusals) -> String {
    let mut writer = Writer {
        out: String::new(),
        patterns: BTreeMap::new(),
        refusals,
    };
    for message in messages {
        writer.message(message);
    }
    let Writer {
        mut out, patterns, ..
    } = writer;
    // Writing to a `String` cannot fail, so the results of `write!` carry nothing.
    for (pattern, name) in &patterns {
        let _ = writeln!(
            out,
            "static {name}: Pattern = Pattern::new(|| pattern({pattern:?}));"
        );
    }
    let names: Vec<String> = patterns.values().map(|name| format!("&{name}")).collect();
    let _ = writeln!(
        out,
        "/// Every pattern, for a test that compiles them all.\n#[cfg(test)]\npub static PATTERNS: &[&Pattern] = &[{}];",
        names.join(", ")
    );
    let by_name: Vec<String> = messages
        .iter()
        .map(|message| {
            let path = naming::message_path(message);
            format!("({:?}, of_bytes::<{path}>)", message.full_name())
        })
        .collect();
    let _ = writeln!(
        out,
        "/// Sorted by name.\npub static VALIDATORS: &[(&str, Validator)] = &[{}];",
        by_name.join(", ")
    );
    out
}

/// Where a value stands and what it is.
struct Site<'a> {
    field: &'a FieldDescriptor,
    /// Rust expression of its path.
    path: String,
}

struct Writer<'a> {
    out: String,
    /// Names of the statics that hold compiled patterns.
    patterns: BTreeMap<String, String>,
    refusals: &'a mut Refusals,
}

impl Writer<'_> {
    fn message(&mut self, message: &MessageDescriptor) {
        let mut body = String::new();
        for field in message.fields() {
            let member = field
                .containing_oneof()
                .is_some_and(|oneof| !oneof.is_synthetic());
            if !member {
                let rules = rules::read_field(&field, self.refusals);
                body += &self.field(&field, &rules);
            }
        }
        for oneof in message.oneofs().filter(|oneof| !oneof.is_synthetic()) {
            body += &self.oneof(&oneof);
        }
        let (path, found) = if body.is_empty() {
            ("_", "_")
        } else {
            ("path", "found")
        };
        let _ = writeln!(
            self.out,
            "impl Validate for {} {{\nfn inspect(&self, {path}: &Path<'_>, {found}: &mut Violations) {{\n{body}}}\n}}",
            naming::message_path(message)
        );
    }

    fn field(&mut self, field: &FieldDescriptor, rules: &FieldRules) -> String {
        if rules.ignore == Ignore::Always {
            return String::new();
        }
        let own = format!("self.{}", naming::identifier(field.name()));
        let site = Site {
            field,
            path: format!("path.field({:?})", field.name()),
        };
        if field.is_map() {
            self.refuse_unchecked_map(field);
            String::new()
        } else if field.is_list() {
            self.list(&site, &own, rules)
        } else if field.supports_presence() {
            self.optional(&site, &own, rules)
        } else {
            self.plain(&site, &own, rules)
        }
    }

    /// Values of maps would go unchecked.
    fn refuse_unchecked_map(&mut self, field: &FieldDescriptor) {
        let values_are_ours = match field.kind() {
            Kind::Message(entry) => is_ours(&entry.map_entry_value_field().kind()),
            _ => false,
        };
        if values_are_ours {
            self.refusals.push(format!(
                "field {}: a map's messages are not validated; use a repeated message",
                field.full_name()
            ));
        }
    }

    /// A field that does not know whether it is set.
    fn plain(&mut self, site: &Site<'_>, own: &str, rules: &FieldRules) -> String {
        let checks = self.checks(site, &rules.checks);
        if checks.is_empty() && !rules.required {
            return String::new();
        }
        let zero = zero_test(&site.field.kind());
        let guarded = if rules.required {
            format!("if {zero} {{\n{}}} else {{\n{checks}}}\n", required(site))
        } else if rules.ignore == Ignore::ZeroValue {
            format!("if !({zero}) {{\n{checks}}}\n")
        } else {
            checks
        };
        format!(
            "{{\nlet value = {};\n{guarded}}}\n",
            borrowed(&site.field.kind(), own, false)
        )
    }

    /// A message or `optional` field: its rules hold while it is set.
    fn optional(&mut self, site: &Site<'_>, own: &str, rules: &FieldRules) -> String {
        let set = self.set_value(site, rules);
        let unset = if rules.required {
            required(site)
        } else {
            String::new()
        };
        match (set.is_empty(), unset.is_empty()) {
            (true, true) => String::new(),
            (true, false) => format!("if {own}.is_none() {{\n{unset}}}\n"),
            (false, true) => format!("if let Some(value) = &{own} {{\n{set}}}\n"),
            (false, false) => {
                format!("if let Some(value) = &{own} {{\n{set}}} else {{\n{unset}}}\n")
            }
        }
    }

    fn list(&mut self, site: &Site<'_>, own: &str, rules: &FieldRules) -> String {
        let checks = self.checks(site, &rules.checks);
        let mut body = String::new();
        if rules.required {
            body += &format!(
                "if value.is_empty() {{\n{}}} else {{\n{checks}}}\n",
                required(site)
            );
        } else if rules.ignore == Ignore::ZeroValue && !checks.is_empty() {
            body += &format!("if !value.is_empty() {{\n{checks}}}\n");
        } else {
            body += &checks;
        }
        body += &self.items(site.field, rules.items.as_deref());
        if body.is_empty() {
            return body;
        }
        format!("{{\nlet value = {own}.as_slice();\n{body}}}\n")
    }

    fn items(&mut self, field: &FieldDescriptor, rules: Option<&FieldRules>) -> String {
        let unruled = FieldRules::default();
        let rules = rules.unwrap_or(&unruled);
        if rules.ignore == Ignore::Always {
            return String::new();
        }
        let site = Site {
            field,
            path: format!("path.item({:?}, index)", field.name()),
        };
        let mut body = self.set_value(&site, rules);
        if body.is_empty() {
            return body;
        }
        if rules.ignore == Ignore::ZeroValue && !is_ours(&field.kind()) {
            body = format!(
                "let unset = {{ let value = {}; {} }};\nif !unset {{\n{body}}}\n",
                borrowed(&field.kind(), "value", true),
                zero_test(&field.kind())
            );
        }
        format!(
            "for (index, value) in value.iter().enumerate() {{\nif found.is_full() {{\nbreak;\n}}\n{body}}}\n"
        )
    }

    fn oneof(&mut self, oneof: &OneofDescriptor) -> String {
        let own = format!("self.{}", naming::identifier(oneof.name()));
        let path = naming::oneof_path(oneof);
        let mut arms = String::new();
        let mut afterwards = String::new();
        for field in oneof.fields() {
            let rules = rules::read_field(&field, self.refusals);
            if rules.ignore == Ignore::Always {
                continue;
            }
            let variant = format!("{path}::{}", naming::upper_camel(field.name()));
            let site = Site {
                field: &field,
                path: format!("path.field({:?})", field.name()),
            };
            let set = self.set_value(&site, &rules);
            if !set.is_empty() {
                let _ = writeln!(arms, "Some({variant}(value)) => {{\n{set}}}");
            }
            if rules.required {
                let _ = writeln!(
                    afterwards,
                    "if !matches!(&{own}, Some({variant}(_))) {{\n{}}}",
                    required(&site)
                );
            }
        }
        if rules::read_oneof(oneof, self.refusals) {
            let _ = writeln!(
                arms,
                "None => found.add(&path.field({:?}), \"required\", \"must have one of its members set\"),",
                oneof.name()
            );
        }
        if arms.is_empty() {
            return afterwards;
        }
        format!(
            "match &{own} {{\n{arms}#[allow(unreachable_patterns)]\n_ => {{}}\n}}\n{afterwards}"
        )
    }

    /// Checks of a value that is set, where `value` is a reference to it.
    fn set_value(&mut self, site: &Site<'_>, rules: &FieldRules) -> String {
        if is_ours(&site.field.kind()) {
            return format!("value.inspect(&{}, found);\n", site.path);
        }
        let checks = self.checks(site, &rules.checks);
        if checks.is_empty() {
            return checks;
        }
        format!(
            "let value = {};\n{checks}",
            borrowed(&site.field.kind(), "value", true)
        )
    }

    fn checks(&mut self, site: &Site<'_>, checks: &[Check]) -> String {
        let mut out = String::new();
        for check in checks {
            let fails = match &check.fails {
                Fails::If(expression) => expression.clone(),
                Fails::Unmatched(pattern) => format!("!{}.is_match(value)", self.pattern(pattern)),
            };
            let _ = writeln!(
                out,
                "if {fails} {{\nfound.add(&{}, {:?}, {:?});\n}}",
                site.path, check.id, check.message
            );
        }
        out
    }

    fn pattern(&mut self, pattern: &str) -> String {
        let next = format!("PATTERN_{}", self.patterns.len());
        self.patterns
            .entry(pattern.to_owned())
            .or_insert(next)
            .clone()
    }
}

fn required(site: &Site<'_>) -> String {
    format!(
        "found.add(&{}, \"required\", \"must be set\");\n",
        site.path
    )
}

/// Whether a value is a message with a validator.
fn is_ours(kind: &Kind) -> bool {
    matches!(kind, Kind::Message(message) if naming::is_outcry(message.package_name()))
}

/// How checks see a value: text and bytes borrowed, everything else copied.
fn borrowed(kind: &Kind, expression: &str, is_reference: bool) -> String {
    match kind {
        Kind::String => format!("{expression}.as_str()"),
        Kind::Bytes => format!("{expression}.as_slice()"),
        _ if is_reference => format!("*{expression}"),
        _ => expression.to_owned(),
    }
}

/// Rust expression that is true if `value` is what an unset field holds.
fn zero_test(kind: &Kind) -> &'static str {
    match kind {
        Kind::String | Kind::Bytes => "value.is_empty()",
        Kind::Bool => "!value",
        // Negative zero counts as set.
        Kind::Float | Kind::Double => "value.to_bits() == 0",
        _ => "value == 0",
    }
}
