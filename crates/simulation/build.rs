//! Tells the compiler that there is a condition `tokio_unstable`: the workspace sets it.

fn main() {
    println!("cargo::rustc-check-cfg=cfg(tokio_unstable)");
    println!("cargo::rerun-if-changed=build.rs");
}
