//! Where prost puts what the contract declares: Rust paths of messages, enums, oneofs and fields.

use prost_reflect::{DescriptorPool, EnumDescriptor, MessageDescriptor, OneofDescriptor};

use crate::generator::Refusals;

/// First segment of our packages; left out of the Rust module tree.
const ROOT: &str = "outcry";

/// Names that need `r#` as Rust identifiers, as prost spells them.
const KEYWORDS: &[&str] = &[
    "abstract", "as", "async", "await", "become", "box", "break", "const", "continue", "do", "dyn",
    "else", "enum", "false", "final", "fn", "for", "gen", "if", "impl", "in", "let", "loop",
    "macro", "match", "mod", "move", "mut", "override", "priv", "pub", "ref", "return", "static",
    "struct", "trait", "true", "try", "type", "typeof", "unsafe", "unsized", "use", "virtual",
    "where", "while", "yield",
];

/// Names Rust cannot have as identifiers at all.
const UNUSABLE: &[&str] = &["super", "self", "extern", "crate"];

/// Whether a package is ours.
pub fn is_outcry(package: &str) -> bool {
    is_within(package, ROOT)
}

/// Whether a package is `scope` or below it.
pub fn is_within(package: &str, scope: &str) -> bool {
    let below = package.strip_prefix(scope);
    below.is_some_and(|rest| rest.is_empty() || rest.starts_with('.'))
}

/// Domain of one of our packages: `orders` of `outcry.orders.v1`.
pub fn domain(package: &str) -> &str {
    package.split('.').nth(1).unwrap_or_default()
}

/// Major version of one of our packages: 1 of `outcry.orders.v1`.
pub fn major(package: &str) -> Option<u32> {
    package.split('.').nth(2)?.strip_prefix('v')?.parse().ok()
}

/// Refuses names whose Rust spelling would differ from what is assumed here.
pub fn check(pool: &DescriptorPool, messages: &[MessageDescriptor], refusals: &mut Refusals) {
    for file in pool.files().filter(|f| is_outcry(f.package_name())) {
        let package = file.package_name();
        if package.split('.').count() != 3 || major(package).is_none_or(|major| major == 0) {
            refusals.push(format!(
                "package {package}: must be outcry.<domain>.v<number>"
            ));
        }
        if !is_lower_snake(domain(package)) || is_reserved(domain(package)) {
            refusals.push(format!(
                "package {package}: the domain cannot be a Rust module name"
            ));
        }
    }
    let enums = pool.all_enums().filter(|e| is_outcry(e.package_name()));
    for name in enums
        .map(|e| e.full_name().to_owned())
        .chain(messages.iter().map(|m| m.full_name().to_owned()))
    {
        if !is_upper_camel(name.rsplit('.').next().unwrap_or_default()) {
            refusals.push(format!(
                "{name}: type names are UpperCamel, one capital letter per word, digits only at the end"
            ));
        }
    }
    for message in messages {
        let fields = message.fields().map(|f| f.full_name().to_owned());
        let oneofs = message
            .oneofs()
            .filter(|o| !o.is_synthetic())
            .map(|o| o.full_name().to_owned());
        for name in fields.chain(oneofs) {
            let last = name.rsplit('.').next().unwrap_or_default();
            if !is_lower_snake(last) || UNUSABLE.contains(&last) {
                refusals.push(format!(
                    "{name}: field names are lower_snake and possible in Rust"
                ));
            }
        }
    }
}

/// Rust path of a message.
pub fn message_path(message: &MessageDescriptor) -> String {
    type_path(message.package_name(), message.full_name())
}

/// Rust path of an enum.
pub fn enum_path(enumeration: &EnumDescriptor) -> String {
    type_path(enumeration.package_name(), enumeration.full_name())
}

/// Rust path of a oneof's enum.
pub fn oneof_path(oneof: &OneofDescriptor) -> String {
    let parent = oneof.parent_message();
    let mut name = upper_camel(oneof.name());
    let taken = parent.child_messages().any(|m| m.name() == name)
        || parent.child_enums().any(|e| e.name() == name);
    if taken {
        name.push_str("OneOf");
    }
    let path = message_path(parent);
    let (module, parent_name) = path.rsplit_once("::").unwrap_or(("crate", &path));
    format!("{module}::{}::{name}", identifier(&snake(parent_name)))
}

/// Rust identifier of a field, oneof or module.
pub fn identifier(name: &str) -> String {
    if KEYWORDS.contains(&name) {
        format!("r#{name}")
    } else {
        name.to_owned()
    }
}

/// Rust name of an enum value: the enum's own name is left out in front.
pub fn variant(enumeration: &str, value: &str) -> String {
    let camel = upper_camel(&value.to_ascii_lowercase());
    camel
        .strip_prefix(enumeration)
        .filter(|rest| !rest.is_empty())
        .map_or(camel.clone(), str::to_owned)
}

/// Rust name of a oneof member's variant.
pub fn upper_camel(lower_snake: &str) -> String {
    lower_snake
        .split('_')
        .map(|word| {
            let mut letters = word.chars();
            letters.next().map_or_else(String::new, |first| {
                first.to_ascii_uppercase().to_string() + letters.as_str()
            })
        })
        .collect()
}

fn type_path(package: &str, full_name: &str) -> String {
    let modules = package.split('.').skip(1).map(identifier);
    let mut names: Vec<&str> = full_name
        .strip_prefix(package)
        .unwrap_or(full_name)
        .trim_start_matches('.')
        .split('.')
        .collect();
    let last = names.pop().unwrap_or_default();
    let parents = names.iter().map(|name| identifier(&snake(name)));
    std::iter::once("crate".to_owned())
        .chain(modules)
        .chain(parents)
        .chain(std::iter::once(last.to_owned()))
        .collect::<Vec<_>>()
        .join("::")
}

fn snake(upper_camel: &str) -> String {
    let mut out = String::new();
    for letter in upper_camel.chars() {
        if letter.is_ascii_uppercase() && !out.is_empty() {
            out.push('_');
        }
        out.push(letter.to_ascii_lowercase());
    }
    out
}

fn is_reserved(name: &str) -> bool {
    KEYWORDS.contains(&name) || UNUSABLE.contains(&name)
}

fn is_upper_camel(name: &str) -> bool {
    let letters = name.trim_end_matches(|c: char| c.is_ascii_digit());
    letters.starts_with(|c: char| c.is_ascii_uppercase())
        && letters.chars().all(|c| c.is_ascii_alphabetic())
        && !letters
            .as_bytes()
            .windows(2)
            .any(|pair| pair.iter().all(u8::is_ascii_uppercase))
}

fn is_lower_snake(name: &str) -> bool {
    name.starts_with(|c: char| c.is_ascii_lowercase())
        && name.split('_').all(|word| {
            !word.is_empty()
                && word
                    .chars()
                    .all(|c| c.is_ascii_lowercase() || c.is_ascii_digit())
        })
}
