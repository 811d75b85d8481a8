//! Random values that a JSON schema allows.

use rand::rngs::StdRng;
use rand::seq::IndexedRandom as _;
use rand::{Rng as _, SeedableRng as _};
use serde_json::{Map, Value, json};

/// Most items of a list that is drawn.
const ITEMS_MAX: usize = 2;

/// How far above its minimum a number may be where the schema knows no maximum.
const SPREADS: [i64; 3] = [3, 50, 100_000];

/// How often a key that need not be there is there.
const OPTIONAL: f64 = 0.35;

/// Text for every pattern of the schema. A pattern that is not here fails the test, to be added.
const TEXTS: [(&str, &[&str]); 16] = [
    (
        "^([a-z0-9]([-a-z0-9.]*[a-z0-9])?)?$",
        &["", "my-secret", "a.b"],
    ),
    ("^([a-z]([-a-z0-9]*[a-z0-9])?)?$", &["", "b2", LONG]),
    ("^[-._a-zA-Z0-9]+$", &["key.txt", "url"]),
    ("^([0-9]+(h|m|s))+$", &["1h30m", "30s"]),
    (
        "^[0-9]+(\\.[0-9]+)?(m|k|Ki|M|Mi|G|Gi|T|Ti)?$",
        &["100m", "1Gi", "2"],
    ),
    ("^(sha256:[0-9a-f]{64})?$", &["", DIGEST]),
    ("/", &["10.0.0.0/8"]),
    ("^[a-z0-9._-]{1,255}$", &["td.example"]),
    ("^https?://", &["https://runbooks.example"]),
    ("^[1-9][0-9]?%$", &["25%"]),
    ("^[0-9]+(\\.[0-9]{1,4})?$", &["0.01", "12"]),
    ("^[0-2][0-9]:[0-5][0-9]:[0-5][0-9]$", &["09:30:00"]),
    ("^[A-Z]{3}$", &["USD"]),
    ("^(smtp://.+)?$", &["", "smtp://mail.example"]),
    (
        "^([A-Za-z0-9]([-A-Za-z0-9_.]*[A-Za-z0-9])?)?$",
        &["", "Text_1.a", "true"],
    ),
    ("^(http://.+)?$", &["", "http://collector:4317"]),
];

/// Keys of objects that take any, by what the schema says of their names.
const KEYS: [(&str, &[&str]); 2] = [
    ("^[0-9]{4}-", &["2026-12-25", "2027-01-01"]),
    ("", &["example.com/a", "b", "cpu", "memory"]),
];

/// A name as long as a host's may be.
pub const LONG: &str = "a-name-of-sixty-three-characters-which-is-all-that-a-host-has-x";

/// A digest as images have it.
const DIGEST: &str = "sha256:bbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbb";

/// An address of e-mail, which the schema knows by its `@` only.
const MAIL: (&str, &str) = ("^.+@.+$", "a@b.example");

/// Draws values; the same seed draws the same ones.
pub struct Draw<'schema> {
    rng: StdRng,
    definitions: &'schema Value,
}

// === impl Draw ===

impl<'schema> Draw<'schema> {
    /// From a seed, for a schema with these definitions.
    pub fn new(seed: u64, definitions: &'schema Value) -> Self {
        Self {
            rng: StdRng::seed_from_u64(seed),
            definitions,
        }
    }

    /// One of several.
    pub fn one<'of, T>(&mut self, of: &'of [T]) -> &'of T {
        of.choose(&mut self.rng).unwrap()
    }

    /// As many of several, none twice.
    pub fn some<'of, T>(&mut self, of: &'of [T], most: usize) -> Vec<&'of T> {
        let count = self.rng.random_range(1..=most);
        of.choose_multiple(&mut self.rng, count).collect()
    }

    /// A value that a schema allows.
    pub fn value(&mut self, schema: &'schema Value) -> Value {
        let schema = self.resolved(schema);
        if let Some(all) = schema["enum"].as_array() {
            return self.one(all).clone();
        }
        if let Some(all) = schema["anyOf"].as_array() {
            let one = self.one(all);
            return self.value(one);
        }
        let kind = match &schema["type"] {
            Value::Array(kinds) => self.one(kinds).as_str(),
            kind => kind.as_str(),
        };
        match kind.unwrap_or("object") {
            "boolean" => json!(self.rng.random_bool(0.5)),
            "null" => Value::Null,
            "integer" => json!(self.whole(schema)),
            "number" => self.number(schema),
            "string" => json!(self.text(schema)),
            "array" => self.list(schema),
            "object" => self.object(schema),
            other => panic!("draw a {other}, too: {schema}"),
        }
    }

    fn resolved(&self, schema: &'schema Value) -> &'schema Value {
        match schema["$ref"].as_str() {
            Some(reference) => {
                let name = reference.strip_prefix("#/definitions/").unwrap();
                self.resolved(&self.definitions[name])
            }
            None => schema,
        }
    }

    fn bounds(&mut self, schema: &Value) -> (i64, i64) {
        let whole = |key: &str| schema[key].as_f64().map(|bound| bound as i64);
        let least = whole("minimum").unwrap_or(0);
        let most = least + self.one(&SPREADS);
        (
            least,
            whole("maximum").map_or(most, |maximum| most.min(maximum)),
        )
    }

    fn whole(&mut self, schema: &Value) -> i64 {
        let (least, most) = self.bounds(schema);
        self.rng.random_range(least..=most)
    }

    fn number(&mut self, schema: &Value) -> Value {
        let (least, most) = self.bounds(schema);
        // Whole, or with a fraction that is still between the bounds.
        if least == most || self.rng.random_bool(0.5) {
            json!(self.rng.random_range(least..=most))
        } else {
            let whole = self.rng.random_range(least..most);
            json!(whole as f64 + 0.125)
        }
    }

    fn text(&mut self, schema: &Value) -> String {
        let Some(pattern) = schema["pattern"].as_str() else {
            // What TOML, YAML and templates read as something else must come through as it is.
            let longest = schema["maxLength"].as_u64();
            let texts: &[&str] = match (schema["minLength"].as_u64(), longest) {
                (_, Some(_)) => &["TSLA"],
                (None, None) => &["", "text", "a \"b\" <c>&% # : {d}"],
                (Some(_), None) => &["text", "a \"b\" <c>&% # : {d}"],
            };
            return (*self.one(texts)).to_owned();
        };
        if pattern == MAIL.0 {
            return MAIL.1.to_owned();
        }
        let texts = TEXTS.iter().find(|(known, _)| *known == pattern);
        let (_, texts) = texts.unwrap_or_else(|| panic!("say what fits {pattern} in TEXTS"));
        (*self.one(texts)).to_owned()
    }

    fn list(&mut self, schema: &'schema Value) -> Value {
        let least = schema["minItems"].as_u64().unwrap_or(0) as usize;
        let count = self.rng.random_range(least..=ITEMS_MAX.max(least));
        (0..count).map(|_| self.value(&schema["items"])).collect()
    }

    fn object(&mut self, schema: &'schema Value) -> Value {
        let required: Vec<&str> = schema["required"]
            .as_array()
            .map(|keys| keys.iter().filter_map(Value::as_str).collect())
            .unwrap_or_default();
        let mut object = Map::new();
        if let Some(properties) = schema["properties"].as_object() {
            for (key, property) in properties {
                if required.contains(&key.as_str()) || self.rng.random_bool(OPTIONAL) {
                    object.insert(key.clone(), self.value(property));
                }
            }
        } else if schema["additionalProperties"].is_object() {
            let names = schema["propertyNames"]["pattern"].as_str();
            let known = |(begin, _): &&(&str, _)| names.unwrap_or_default().starts_with(begin);
            let (_, keys) = KEYS.iter().find(known).unwrap();
            let key = (*self.one(keys)).to_owned();
            object.insert(key, self.value(&schema["additionalProperties"]));
        } else {
            // Kubernetes' own; what the chart itself must know of it is there.
            for key in required {
                let number = self.rng.random_range(1..=9);
                object.insert(key.to_owned(), json!(format!("name{number}")));
            }
        }
        Value::Object(object)
    }
}

/// Puts values over others, as Helm does.
pub fn merge(into: &mut Value, from: Value) {
    match (into, from) {
        (Value::Object(into), Value::Object(from)) => {
            for (key, value) in from {
                merge(into.entry(key).or_insert(Value::Null), value);
            }
        }
        (into, from) => *into = from,
    }
}
