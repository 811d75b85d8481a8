//! Rules of whole numbers of every width.

use prost_reflect::Value;

use crate::generator::rules::{Check, check, membership};

/// Reads a rule of a whole number that is not a bound.
pub fn read_number(kind: &str, name: &str, value: &Value) -> Option<Vec<Check>> {
    let id = format!("{kind}.{name}");
    match (name, value) {
        ("const", value) => {
            let number = integer(value)?;
            Some(vec![check(
                &id,
                format!("value != {number}"),
                format!("must be {number}"),
            )])
        }
        ("in" | "not_in", Value::List(items)) => {
            let numbers: Vec<i128> = items.iter().map(integer).collect::<Option<_>>()?;
            let shown: Vec<String> = numbers.iter().map(i128::to_string).collect();
            Some(vec![membership(
                &id,
                name,
                &format!("{numbers:?}"),
                &shown.join(", "),
            )])
        }
        _ => None,
    }
}

/// Upper and lower bound of a number. Together they make one rule: the range between them,
/// or everything but that range when the lower bound is above the upper one.
#[derive(Default)]
pub struct Bounds {
    upper: Option<(&'static str, i128)>,
    lower: Option<(&'static str, i128)>,
}

impl Bounds {
    /// Takes a bound in; false if the rule is none.
    pub fn take(&mut self, name: &str, value: &Value) -> bool {
        let Some(number) = integer(value) else {
            return false;
        };
        match name {
            "lt" => self.upper = Some(("lt", number)),
            "lte" => self.upper = Some(("lte", number)),
            "gt" => self.lower = Some(("gt", number)),
            "gte" => self.lower = Some(("gte", number)),
            _ => return false,
        }
        true
    }

    /// The rule the bounds make for a kind of number.
    pub fn check(&self, kind: &str) -> Option<Check> {
        let fails = |(name, bound): (&str, i128)| match name {
            "lt" => format!("value >= {bound}"),
            "lte" => format!("value > {bound}"),
            "gt" => format!("value <= {bound}"),
            _ => format!("value < {bound}"),
        };
        let words = |(name, bound): (&str, i128)| match name {
            "lt" => format!("less than {bound}"),
            "lte" => format!("at most {bound}"),
            "gt" => format!("greater than {bound}"),
            _ => format!("at least {bound}"),
        };
        Some(match (self.lower, self.upper) {
            (None, None) => return None,
            (Some(only), None) | (None, Some(only)) => check(
                &format!("{kind}.{}", only.0),
                fails(only),
                format!("must be {}", words(only)),
            ),
            (Some(lower), Some(upper)) if upper.1 >= lower.1 => check(
                &format!("{kind}.{}_{}", lower.0, upper.0),
                format!("{} || {}", fails(lower), fails(upper)),
                format!("must be {} and {}", words(lower), words(upper)),
            ),
            (Some(lower), Some(upper)) => check(
                &format!("{kind}.{}_{}_exclusive", lower.0, upper.0),
                format!("{} && {}", fails(lower), fails(upper)),
                format!("must be {} or {}", words(lower), words(upper)),
            ),
        })
    }
}

/// The whole number an option holds.
fn integer(value: &Value) -> Option<i128> {
    match value {
        Value::I32(number) => Some(i128::from(*number)),
        Value::I64(number) => Some(i128::from(*number)),
        Value::U32(number) => Some(i128::from(*number)),
        Value::U64(number) => Some(i128::from(*number)),
        _ => None,
    }
}
