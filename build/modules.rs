//! The Rust module tree over what prost and tonic generate: `orders::v1` for `outcry.orders.v1`.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use prost_types::FileDescriptorSet;

/// One of our packages.
pub struct Package {
    /// Full name, `outcry.orders.v1`.
    pub name: String,
    /// Whether it declares a service.
    has_services: bool,
}

impl Package {
    /// Modules below the crate root.
    fn modules(&self) -> Vec<&str> {
        self.name.split('.').skip(1).collect()
    }

    /// Path of the module in this crate.
    pub fn rust_path(&self) -> String {
        format!("crate::{}", self.modules().join("::"))
    }
}

/// Our packages in a descriptor set, sorted by name.
pub fn packages(set: &FileDescriptorSet) -> Vec<Package> {
    let mut packages: BTreeMap<&str, bool> = BTreeMap::new();
    for file in set
        .file
        .iter()
        .filter(|file| file.package().starts_with("outcry."))
    {
        *packages.entry(file.package()).or_default() |= !file.service.is_empty();
    }
    packages
        .into_iter()
        .map(|(name, has_services)| Package {
            name: name.to_owned(),
            has_services,
        })
        .collect()
}

/// Rust source of `modules.rs` for the packages of a scope, whose sources are in a folder of
/// `OUT_DIR`. The generator has made sure that packages have the form `outcry.<domain>.v<number>`.
pub fn write(packages: &[Package], scope: &str, folder: &str) -> String {
    let mut domains: BTreeMap<&str, Vec<&Package>> = BTreeMap::new();
    for package in packages
        .iter()
        .filter(|package| package.name.starts_with(scope))
    {
        if let [domain, ..] = package.modules()[..] {
            domains.entry(domain).or_default().push(package);
        }
    }
    let mut out = String::new();
    // Writing to a `String` cannot fail, so the results of `write!` carry nothing.
    for (domain, packages) in domains {
        let _ = writeln!(
            out,
            "#[doc = \"Packages `outcry.{domain}`.\"]\npub mod {domain} {{"
        );
        for package in packages {
            let version = package.name.rsplit('.').next().unwrap_or_default();
            let _ = writeln!(out, "    #[doc = \"Package `{}`.\"]", package.name);
            out.push_str("    #[allow(missing_docs, clippy::all, rustdoc::all)]\n");
            let _ = writeln!(out, "    pub mod {version} {{");
            let _ = writeln!(
                out,
                "        include!(concat!(env!(\"OUT_DIR\"), \"/{folder}{}.rs\"));",
                package.name
            );
            if package.has_services {
                let _ = writeln!(
                    out,
                    "        include!(concat!(env!(\"OUT_DIR\"), \"/{folder}servers/{}.rs\"));",
                    package.name
                );
            }
            out.push_str("    }\n");
        }
        out.push_str("}\n");
    }
    out
}
