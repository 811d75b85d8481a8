//! A platform whose public port speaks TLS.

use super::outcry::{Outcry, complaint};

#[test]
fn a_platform_with_a_certificate_is_used_by_whoever_trusts_it() {
    let files = tempfile::tempdir().unwrap();
    let path = |name: &str| files.path().join(name).display().to_string();
    let made = rcgen::generate_simple_self_signed(["127.0.0.1".to_owned()]).unwrap();
    std::fs::write(path("chain.pem"), made.cert.pem()).unwrap();
    std::fs::write(path("key.pem"), made.signing_key.serialize_pem()).unwrap();
    let variables = [
        ("OUTCRY_GATEWAY__TLS__CERTIFICATE", path("chain.pem")),
        ("OUTCRY_GATEWAY__TLS__KEY", path("key.pem")),
    ];
    let variables = variables.map(|(name, value)| (name.to_owned(), value));
    let mut outcry = Outcry::with(variables.to_vec());
    outcry.up();
    let address = std::fs::read_to_string(outcry.data().join("address")).unwrap();
    assert!(address.starts_with("https://127.0.0.1:"), "{address}");

    let list = ["dlq", "list", "--json"];
    let output = outcry.verb(&list);
    let told = complaint(&output);
    assert!(!output.status.success() && told.contains("--ca"), "{told}");
    outcry.json(&[&list[..], &["--ca", &path("chain.pem")]].concat());
    let output = outcry
        .command(&list)
        .env("OUTCRY_CA", path("chain.pem"))
        .output()
        .unwrap();
    assert!(output.status.success(), "{}", complaint(&output));
    outcry.stop();
}
