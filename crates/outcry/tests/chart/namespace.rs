//! What is in the namespace: objects that the operator made, and those of the chart as they come.

use std::collections::BTreeMap;
use std::net::Ipv4Addr;

use serde_json::{Value, json};

/// Objects by kind and name.
#[derive(Default)]
pub struct Namespace {
    objects: Vec<Value>,
    /// Addresses of the Services that have one.
    addresses: BTreeMap<String, Ipv4Addr>,
}

// === impl Namespace ===

impl Namespace {
    /// A Secret that is not the chart's.
    pub fn secret(&mut self, name: &str, data: &[(&str, &str)]) {
        self.made("Secret", name, "stringData", data);
    }

    /// A ConfigMap that is not the chart's.
    pub fn config_map(&mut self, name: &str, data: &[(&str, &str)]) {
        self.made("ConfigMap", name, "data", data);
    }

    fn made(&mut self, kind: &str, name: &str, field: &str, data: &[(&str, &str)]) {
        let data: BTreeMap<_, _> = data.iter().copied().collect();
        self.put(json!({ "kind": kind, "metadata": { "name": name }, field: data }));
    }

    /// An object of the chart.
    pub fn put(&mut self, object: Value) {
        self.objects.retain(|known| {
            known["kind"] != object["kind"]
                || known["metadata"]["name"] != object["metadata"]["name"]
        });
        self.objects.push(object);
    }

    /// A Service is reached here.
    pub fn set_address(&mut self, service: &str, address: Ipv4Addr) {
        self.addresses.insert(service.to_owned(), address);
    }

    /// All of a kind.
    pub fn of_kind(&self, kind: &str) -> Vec<&Value> {
        super::render::of_kind(&self.objects, kind)
    }

    /// What is in a Secret or a ConfigMap.
    pub fn data(&self, kind: &str, name: &str) -> BTreeMap<String, String> {
        let found = self
            .of_kind(kind)
            .into_iter()
            .find(|object| object["metadata"]["name"] == name)
            .unwrap_or_else(|| panic!("pods would wait for the {kind} {name}"));
        let mut data = BTreeMap::new();
        // The chart keeps no secrets of its own, so nothing is in base64.
        assert!(
            kind == "ConfigMap" || found["data"].is_null(),
            "a Secret of the chart: {name}"
        );
        for field in ["data", "stringData"] {
            for (key, value) in found[field].as_object().into_iter().flatten() {
                data.insert(key.clone(), value.as_str().unwrap().to_owned());
            }
        }
        data
    }

    /// Name, address and first port of the Services that have an address.
    pub fn links(&self) -> Vec<(String, Ipv4Addr, u64)> {
        let services = self.of_kind("Service").into_iter();
        services
            .filter_map(|service| {
                let name = service["metadata"]["name"].as_str().unwrap();
                let address = self.addresses.get(name)?;
                let port = service["spec"]["ports"][0]["port"].as_u64().unwrap();
                Some((name.to_owned(), *address, port))
            })
            .collect()
    }
}

/// Whether the labels are what a selector asks for.
pub fn selects(selector: &Value, labels: &Value) -> bool {
    let mut asked = selector.as_object().unwrap().iter();
    asked.all(|(name, value)| labels[name] == *value)
}

/// The hooks of a phase in their order, and everything that is no hook.
pub fn hooks(objects: &[Value], phase: &str) -> Vec<Value> {
    let mut hooks: Vec<Value> = objects
        .iter()
        .filter(|object| {
            let phases = object["metadata"]["annotations"]["helm.sh/hook"].as_str();
            phases.is_some_and(|phases| phases.split(',').any(|one| one.trim() == phase))
        })
        .cloned()
        .collect();
    // Of the same weight: what a Job may need comes before it.
    hooks.sort_by_key(|hook| (weight(hook), hook["kind"] == "Job"));
    hooks
}

/// What is no hook.
pub fn ordinary(objects: &[Value]) -> Vec<Value> {
    let ordinary = objects.iter();
    ordinary
        .filter(|object| object["metadata"]["annotations"]["helm.sh/hook"].is_null())
        .cloned()
        .collect()
}

fn weight(hook: &Value) -> i64 {
    let weight = hook["metadata"]["annotations"]["helm.sh/hook-weight"].as_str();
    weight.map_or(0, |text| text.parse().unwrap())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hooks_come_by_weight_and_only_in_their_phase() {
        let hook = |name: &str, kind: &str, phase: &str, weight: &str| {
            json!({ "kind": kind, "metadata": { "name": name, "annotations": {
                "helm.sh/hook": phase, "helm.sh/hook-weight": weight } } })
        };
        let objects = [
            hook("b", "Job", "pre-install,pre-upgrade", "2"),
            hook("a", "Job", "pre-install", "-1"),
            hook("c", "ConfigMap", "test", "0"),
            json!({ "kind": "Service", "metadata": { "name": "d" } }),
        ];
        let names = |found: Vec<Value>| -> Vec<String> {
            let found = found.iter();
            found
                .map(|one| one["metadata"]["name"].as_str().unwrap().to_owned())
                .collect()
        };
        assert_eq!(names(hooks(&objects, "pre-install")), ["a", "b"]);
        assert_eq!(names(hooks(&objects, "test")), ["c"]);
        assert_eq!(names(ordinary(&objects)), ["d"]);
    }
}
