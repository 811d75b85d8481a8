//! The rules of a field as values, for whatever translates them.

use prost_reflect::{DynamicMessage, FieldDescriptor, OneofDescriptor, Value};

use crate::option;

/// `IGNORE_IF_ZERO_VALUE`: the rules are left out for an empty value.
const IF_ZERO: i32 = 1;
/// `IGNORE_ALWAYS`.
const ALWAYS: i32 = 3;

/// What protovalidate demands of a field, or of each item of a list.
#[derive(Debug, Clone, Default)]
pub struct Rules {
    /// It must be set.
    pub required: bool,
    /// Nothing else is demanded of an empty value.
    pub but_empty: bool,
    /// Those of its type.
    of_type: Option<DynamicMessage>,
}

// === impl Rules ===

impl Rules {
    /// Of a field.
    #[must_use]
    pub fn of(field: &FieldDescriptor) -> Rules {
        let rules = option::message(&field.options(), option::FIELD_RULES);
        rules.map_or_else(Rules::default, |rules| Rules::read(&rules))
    }

    /// Of a `buf.validate.FieldRules`.
    fn read(rules: &DynamicMessage) -> Rules {
        let ignore = match rules.get_field_by_name("ignore").as_deref() {
            Some(Value::EnumNumber(number)) => *number,
            _ => 0,
        };
        if ignore == ALWAYS {
            return Rules::default();
        }
        let mut of_type = rules.fields().filter_map(|(_, value)| value.as_message());
        let required = rules.get_field_by_name("required");
        Rules {
            required: required.and_then(|value| value.as_bool()) == Some(true),
            but_empty: ignore == IF_ZERO,
            of_type: of_type.next().cloned(),
        }
    }

    /// Of each item of a list.
    #[must_use]
    pub fn items(&self) -> Rules {
        let items = self.value("items");
        let items = items.as_ref().and_then(Value::as_message);
        items.map_or_else(Rules::default, Rules::read)
    }

    /// The one rule of this name, if it is there.
    fn value(&self, name: &str) -> Option<Value> {
        let rules = self.of_type.as_ref()?;
        let set = rules.has_field_by_name(name);
        let value = rules.get_field_by_name(name).filter(|_| set)?;
        Some(value.into_owned())
    }

    /// A rule that is only there or not, `uuid`.
    #[must_use]
    pub fn is(&self, name: &str) -> bool {
        self.value(name)
            .is_some_and(|value| value == Value::Bool(true))
    }

    /// A rule with a flag, `const` of a `bool`.
    #[must_use]
    pub fn flag(&self, name: &str) -> Option<bool> {
        self.value(name)?.as_bool()
    }

    /// A rule with a text, `pattern`.
    #[must_use]
    pub fn text(&self, name: &str) -> Option<String> {
        self.value(name)?.as_str().map(str::to_owned)
    }

    /// A rule with texts, `in` of a `string`.
    #[must_use]
    pub fn texts(&self, name: &str) -> Vec<String> {
        let list = self.value(name);
        let items = list.as_ref().and_then(Value::as_list).unwrap_or_default();
        let texts = items.iter().filter_map(Value::as_str);
        texts.map(str::to_owned).collect()
    }

    /// A rule with a number, whatever its width: `gte`, `min_len`.
    #[must_use]
    pub fn number(&self, name: &str) -> Option<i128> {
        number(&self.value(name)?)
    }

    /// A rule with numbers, `in` of an integer or an enum.
    #[must_use]
    pub fn numbers(&self, name: &str) -> Vec<i128> {
        let list = self.value(name);
        let items = list.as_ref().and_then(Value::as_list).unwrap_or_default();
        items.iter().filter_map(number).collect()
    }
}

/// Whether one member of a oneof must be set.
#[must_use]
pub fn one_is_required(oneof: &OneofDescriptor) -> bool {
    let rules = option::message(&oneof.options(), option::ONEOF_RULES);
    rules.is_some_and(|rules| {
        let required = rules.get_field_by_name("required");
        required.and_then(|value| value.as_bool()) == Some(true)
    })
}

fn number(value: &Value) -> Option<i128> {
    Some(match value {
        Value::I32(number) | Value::EnumNumber(number) => i128::from(*number),
        Value::I64(number) => i128::from(*number),
        Value::U32(number) => i128::from(*number),
        Value::U64(number) => i128::from(*number),
        _ => return None,
    })
}
