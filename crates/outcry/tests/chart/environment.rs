//! A container's variables and arguments, as the kubelet makes them of what is rendered.

use std::net::Ipv4Addr;

use serde_json::Value;

use super::namespace::Namespace;

/// Where programs are in the image.
pub const IMAGE_PATH: &str = "/usr/local/bin";

/// What a pod is told of itself.
#[derive(Debug, Clone)]
pub struct Facts {
    pub name: String,
    pub uid: String,
    pub address: Ipv4Addr,
}

/// All variables of a container, in order; later ones go before earlier ones of the same name.
pub fn variables(
    namespace: &Namespace,
    spec: &Value,
    container: &Value,
    facts: &Facts,
) -> Vec<(String, String)> {
    let mut all = vec![
        ("PATH".to_owned(), IMAGE_PATH.to_owned()),
        ("HOSTNAME".to_owned(), facts.name.clone()),
    ];
    // Those of the API server's Service are always there.
    all.extend(links("kubernetes", "10.77.2.1", 443));
    if spec["enableServiceLinks"] != false {
        for (service, address, port) in namespace.links() {
            all.extend(links(&service, &address.to_string(), port));
        }
    }
    for variable in container["env"].as_array().into_iter().flatten() {
        let name = variable["name"].as_str().unwrap();
        let value = match &variable["value"] {
            Value::String(text) => expanded(text, &all),
            Value::Null => from(namespace, &variable["valueFrom"], facts),
            other => panic!("{name}: Kubernetes takes text only, not {other}"),
        };
        all.retain(|(known, _)| known != name);
        all.push((name.to_owned(), value));
    }
    all
}

/// A container's command with its arguments.
pub fn command(container: &Value, variables: &[(String, String)]) -> Vec<String> {
    let parts = ["command", "args"].map(|part| container[part].as_array());
    let parts = parts.into_iter().flatten().flatten();
    parts
        .map(|part| expanded(part.as_str().unwrap(), variables))
        .collect()
}

fn links(service: &str, address: &str, port: u64) -> Vec<(String, String)> {
    let service = service.to_uppercase().replace('-', "_");
    vec![
        (format!("{service}_SERVICE_HOST"), address.to_owned()),
        (format!("{service}_SERVICE_PORT"), port.to_string()),
    ]
}

fn from(namespace: &Namespace, source: &Value, facts: &Facts) -> String {
    for (kind, of) in [("Secret", "secretKeyRef"), ("ConfigMap", "configMapKeyRef")] {
        let reference = &source[of];
        if reference.is_object() {
            let name = reference["name"].as_str().unwrap();
            let data = namespace.data(kind, name);
            let key = reference["key"].as_str().unwrap();
            let value = data
                .get(key)
                .unwrap_or_else(|| panic!("{kind} {name} has no key {key}"));
            return value.clone();
        }
    }
    match source["fieldRef"]["fieldPath"].as_str() {
        Some("status.podIP") => facts.address.to_string(),
        Some("metadata.uid") => facts.uid.clone(),
        Some("metadata.name") => facts.name.clone(),
        _ => panic!("a variable comes from where this kubelet cannot look: {source}"),
    }
}

/// `$(NAME)` is the variable's value where there is one, and itself otherwise; `$$` is `$`.
fn expanded(text: &str, variables: &[(String, String)]) -> String {
    let mut result = String::new();
    let mut rest = text;
    while let Some(place) = rest.find('$') {
        result.push_str(&rest[..place]);
        rest = &rest[place + 1..];
        if let Some(after) = rest.strip_prefix('$') {
            result.push('$');
            rest = after;
            continue;
        }
        let name = rest
            .strip_prefix('(')
            .and_then(|inner| inner.split_once(')'));
        let Some((name, after)) = name else {
            result.push('$');
            continue;
        };
        match variables.iter().find(|(known, _)| known == name) {
            Some((_, value)) => result.push_str(value),
            None => result.push_str(&format!("$({name})")),
        }
        rest = after;
    }
    result.push_str(rest);
    result
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn references_are_replaced_as_kubernetes_does() {
        let variables = [("A".to_owned(), "$(B)".to_owned())];
        for (text, expected) in [
            ("x://$(A)@$(NONE)", "x://$(B)@$(NONE)"),
            ("$$(A) $A $(A", "$(A) $A $(A"),
            ("no dollar", "no dollar"),
            ("end$", "end$"),
        ] {
            assert_eq!(expanded(text, &variables), expected, "{text}");
        }
    }
}
