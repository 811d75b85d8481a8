//! Reads `buf.validate` options into checks. Anything not understood is refused, so a rule
//! in a `.proto` file is either enforced or stops the build.

use prost_reflect::{DynamicMessage, FieldDescriptor, Kind, OneofDescriptor, Value};
use regex::Regex;

use crate::generator::contract::extension;
use crate::generator::numbers::{Bounds, read_number};
use crate::generator::{Refusals, naming};

const FIELD: &str = "buf.validate.field";
const ONEOF: &str = "buf.validate.oneof";

/// One rule of a value, ready to be written as Rust.
pub struct Check {
    /// Protovalidate's id of the rule.
    pub id: String,
    /// What makes the value break the rule.
    pub fails: Fails,
    /// What the value must be, for people.
    pub message: String,
}

/// When a value breaks a rule.
pub enum Fails {
    /// If this Rust expression over `value` is true.
    If(String),
    /// If this regular expression does not match it.
    Unmatched(String),
}

/// `buf.validate.Ignore`.
#[derive(Clone, Copy, PartialEq, Eq, Default)]
pub enum Ignore {
    #[default]
    Unset,
    ZeroValue,
    Always,
}

/// The rules of a field.
#[derive(Default)]
pub struct FieldRules {
    pub required: bool,
    pub ignore: Ignore,
    /// Over the value; over the slice of items for a repeated field.
    pub checks: Vec<Check>,
    /// Over each item of a repeated field.
    pub items: Option<Box<FieldRules>>,
}

/// Reads the rules of a field; what is not understood goes to `refusals`.
pub fn read_field(field: &FieldDescriptor, refusals: &mut Refusals) -> FieldRules {
    let pool = field.parent_message().parent_pool().clone();
    let Some(option) = extension(&pool, FIELD, &field.options()) else {
        return FieldRules::default();
    };
    let mut reader = Reader { field, refusals };
    if field.is_map() {
        reader.refuse("rules of maps are not understood");
        return FieldRules::default();
    }
    reader.read(&option, field.is_list())
}

/// Whether a oneof must have a member set.
pub fn read_oneof(oneof: &OneofDescriptor, refusals: &mut Refusals) -> bool {
    let pool = oneof.parent_message().parent_pool().clone();
    let Some(option) = extension(&pool, ONEOF, &oneof.options()) else {
        return false;
    };
    let mut required = false;
    for (rule, value) in option.fields() {
        match (rule.name(), value) {
            ("required", Value::Bool(value)) => required = *value,
            (unknown, _) => {
                refusals.push(format!(
                    "oneof {}: rule `{unknown}` is not understood",
                    oneof.full_name()
                ));
            }
        }
    }
    required
}

/// Reads the rules of one field.
struct Reader<'a> {
    field: &'a FieldDescriptor,
    refusals: &'a mut Refusals,
}

impl Reader<'_> {
    fn refuse(&mut self, what: &str) {
        self.refusals
            .push(format!("field {}: {what}", self.field.full_name()));
    }

    /// Reads a `FieldRules`: of the field, or of its items if `list` is false and it is repeated.
    fn read(&mut self, option: &DynamicMessage, list: bool) -> FieldRules {
        let mut rules = FieldRules::default();
        for (rule, value) in option.fields() {
            match (rule.name(), value) {
                ("required", Value::Bool(required)) => rules.required = *required,
                ("ignore", Value::EnumNumber(0)) => rules.ignore = Ignore::Unset,
                ("ignore", Value::EnumNumber(1)) => rules.ignore = Ignore::ZeroValue,
                ("ignore", Value::EnumNumber(3)) => rules.ignore = Ignore::Always,
                ("repeated", Value::Message(repeated)) if list => {
                    self.read_repeated(repeated, &mut rules);
                }
                (name, Value::Message(typed)) if !list && Some(name) == self.rule_type() => {
                    rules.checks = self.read_typed(name, typed);
                }
                (name, _) => self.refuse(&format!(
                    "rules `{name}` do not fit it or are not understood"
                )),
            }
        }
        rules
    }

    /// Name of the member of `FieldRules` that fits a single value of the field.
    fn rule_type(&self) -> Option<&'static str> {
        match self.field.kind() {
            Kind::Int32 => Some("int32"),
            Kind::Int64 => Some("int64"),
            Kind::Uint32 => Some("uint32"),
            Kind::Uint64 => Some("uint64"),
            Kind::Bool => Some("bool"),
            Kind::String => Some("string"),
            Kind::Bytes => Some("bytes"),
            Kind::Enum(_) => Some("enum"),
            _ => None,
        }
    }

    fn read_repeated(&mut self, repeated: &DynamicMessage, rules: &mut FieldRules) {
        for (rule, value) in repeated.fields() {
            match (rule.name(), value) {
                ("min_items", Value::U64(count)) => rules.checks.push(check(
                    "repeated.min_items",
                    format!("(value.len() as u64) < {count}"),
                    format!("must have at least {}", counted(*count, "item")),
                )),
                ("max_items", Value::U64(count)) => rules.checks.push(check(
                    "repeated.max_items",
                    format!("(value.len() as u64) > {count}"),
                    format!("must have at most {}", counted(*count, "item")),
                )),
                ("unique", Value::Bool(false)) => {}
                ("unique", Value::Bool(true)) => match self.rule_type() {
                    Some(_) => rules.checks.push(check(
                        "repeated.unique",
                        "has_repeats(value)".to_owned(),
                        "must not hold the same item twice".to_owned(),
                    )),
                    None => self.refuse("`repeated.unique` does not fit its items"),
                },
                ("items", Value::Message(items)) => {
                    let items = self.read(items, false);
                    if items.required {
                        self.refuse("`required` does not fit the items of a list");
                    }
                    rules.items = Some(Box::new(items));
                }
                (name, _) => self.refuse(&format!("rule `repeated.{name}` is not understood")),
            }
        }
    }

    fn read_typed(&mut self, kind: &str, typed: &DynamicMessage) -> Vec<Check> {
        let mut checks = Vec::new();
        let mut bounds = Bounds::default();
        for (rule, value) in typed.fields() {
            let name = rule.name();
            let read = match kind {
                "string" => self.read_string(name, value),
                "bytes" => read_bytes(name, value),
                "bool" => read_bool(name, value),
                "enum" => self.read_enum(name, value),
                _ if bounds.take(name, value) => Some(Vec::new()),
                number => read_number(number, name, value),
            };
            match read {
                Some(read) => checks.extend(read),
                None => self.refuse(&format!("rule `{kind}.{name}` is not understood")),
            }
        }
        checks.extend(bounds.check(kind));
        checks
    }

    fn read_string(&mut self, name: &str, value: &Value) -> Option<Vec<Check>> {
        let id = format!("string.{name}");
        let length = "(value.chars().count() as u64)";
        Some(match (name, value) {
            ("const", Value::String(text)) => {
                vec![check(
                    &id,
                    format!("value != {text:?}"),
                    format!("must be `{text}`"),
                )]
            }
            ("len", Value::U64(n)) => {
                vec![check(
                    &id,
                    format!("{length} != {n}"),
                    format!("must have {}", counted(*n, "character")),
                )]
            }
            ("min_len", Value::U64(n)) => vec![check(
                &id,
                format!("{length} < {n}"),
                format!("must have at least {}", counted(*n, "character")),
            )],
            ("max_len", Value::U64(n)) => vec![check(
                &id,
                format!("{length} > {n}"),
                format!("must have at most {}", counted(*n, "character")),
            )],
            ("pattern", Value::String(pattern)) => {
                self.check_pattern(pattern);
                vec![Check {
                    id,
                    fails: Fails::Unmatched(pattern.clone()),
                    message: format!("must match `{pattern}`"),
                }]
            }
            ("prefix", Value::String(prefix)) => vec![check(
                &id,
                format!("!value.starts_with({prefix:?})"),
                format!("must begin with `{prefix}`"),
            )],
            ("in" | "not_in", Value::List(items)) => {
                let texts: Vec<&str> = items.iter().filter_map(Value::as_str).collect();
                vec![membership(
                    &id,
                    name,
                    &format!("{texts:?}"),
                    &texts.join(", "),
                )]
            }
            ("email" | "uuid", Value::Bool(false)) => Vec::new(),
            ("email", Value::Bool(true)) => well_known(&id, "is_email", "must be an email address"),
            ("uuid", Value::Bool(true)) => well_known(&id, "is_uuid", "must be a UUID"),
            _ => return None,
        })
    }

    fn read_enum(&mut self, name: &str, value: &Value) -> Option<Vec<Check>> {
        let Kind::Enum(enumeration) = self.field.kind() else {
            return None;
        };
        let shown = |number: i32| {
            enumeration
                .get_value(number)
                .map_or_else(|| number.to_string(), |value| value.name().to_owned())
        };
        let id = format!("enum.{name}");
        Some(match (name, value) {
            ("const", Value::I32(number)) => {
                vec![check(
                    &id,
                    format!("value != {number}"),
                    format!("must be {}", shown(*number)),
                )]
            }
            ("defined_only", Value::Bool(false)) => Vec::new(),
            ("defined_only", Value::Bool(true)) => vec![check(
                &id,
                format!("!<{}>::is_valid(value)", naming::enum_path(&enumeration)),
                "must be one of the declared values".to_owned(),
            )],
            ("in" | "not_in", Value::List(items)) => {
                let numbers: Vec<i32> = items.iter().filter_map(Value::as_i32).collect();
                let names: Vec<String> = numbers.iter().copied().map(shown).collect();
                vec![membership(
                    &id,
                    name,
                    &format!("{numbers:?}"),
                    &names.join(", "),
                )]
            }
            _ => return None,
        })
    }

    /// Patterns must mean the same in every language: RE2, Rust, Java and JavaScript agree
    /// on plain groups, classes and counts, not on `\d`, `\w`, `\b` or flags.
    fn check_pattern(&mut self, pattern: &str) {
        if let Err(error) = Regex::new(pattern) {
            self.refuse(&format!("its pattern is no regular expression: {error}"));
        }
        let mut rest = pattern.chars().peekable();
        while let Some(letter) = rest.next() {
            let next = rest.peek().copied();
            if letter == '\\' {
                if next.is_some_and(|next| next.is_ascii_alphanumeric()) {
                    self.refuse("its pattern has a class such as \\d, which differs between languages: write it out");
                }
                rest.next();
            } else if letter == '(' && next == Some('?') {
                rest.next();
                if rest.peek() != Some(&':') {
                    self.refuse("its pattern has flags, names or look-around, which differ between languages");
                }
            }
        }
    }
}

fn read_bytes(name: &str, value: &Value) -> Option<Vec<Check>> {
    let id = format!("bytes.{name}");
    let length = "(value.len() as u64)";
    let Value::U64(n) = value else {
        return None;
    };
    Some(vec![match name {
        "len" => check(
            &id,
            format!("{length} != {n}"),
            format!("must have {}", counted(*n, "byte")),
        ),
        "min_len" => check(
            &id,
            format!("{length} < {n}"),
            format!("must have at least {}", counted(*n, "byte")),
        ),
        "max_len" => check(
            &id,
            format!("{length} > {n}"),
            format!("must have at most {}", counted(*n, "byte")),
        ),
        _ => return None,
    }])
}

fn read_bool(name: &str, value: &Value) -> Option<Vec<Check>> {
    match (name, value) {
        ("const", Value::Bool(wanted)) => Some(vec![check(
            "bool.const",
            format!("value != {wanted}"),
            format!("must be {wanted}"),
        )]),
        _ => None,
    }
}

/// A check by a Rust expression.
pub fn check(id: &str, fails: String, message: String) -> Check {
    Check {
        id: id.to_owned(),
        fails: Fails::If(fails),
        message,
    }
}

/// `in` and `not_in` of any type.
pub fn membership(id: &str, name: &str, list: &str, shown: &str) -> Check {
    if name == "in" {
        check(
            id,
            format!("!{list}.contains(&value)"),
            format!("must be one of: {shown}"),
        )
    } else {
        check(
            id,
            format!("{list}.contains(&value)"),
            format!("must not be one of: {shown}"),
        )
    }
}

/// `1 item`, `2 items`.
fn counted(count: u64, unit: &str) -> String {
    let plural = if count == 1 { "" } else { "s" };
    format!("{count} {unit}{plural}")
}

/// A known format has an id of its own for the empty string.
fn well_known(id: &str, function: &str, message: &str) -> Vec<Check> {
    vec![
        check(
            id,
            format!("!value.is_empty() && !{function}(value)"),
            message.to_owned(),
        ),
        check(
            &format!("{id}_empty"),
            "value.is_empty()".to_owned(),
            message.to_owned(),
        ),
    ]
}
