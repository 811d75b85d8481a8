//! Tools that know gRPC and nothing of Outcry, against the public port.

use std::path::{Path, PathBuf};

use serde_json::{Value, json};
use tokio::process::Command;

use super::language::{built, is_there, root, succeeds, turn};
use super::market::{Market, SYMBOL};

/// What `go install` builds, and in which version.
const BY_GO: [(&str, &str, &str); 3] = [
    (
        "grpcurl",
        "github.com/fullstorydev/grpcurl/cmd/grpcurl",
        "v1.9.4",
    ),
    (
        "grpc-health-probe",
        "github.com/grpc-ecosystem/grpc-health-probe",
        "v0.4.63",
    ),
    ("ghz", "github.com/bojand/ghz/cmd/ghz", "v0.121.0"),
];

/// A service whose health is asked for.
const ORDERS: &str = "outcry.orders.v1.OrderService";

/// Calls that ghz makes.
const CALLS: u32 = 200;

/// One of the tools, built the first time.
async fn by_go(name: &str) -> PathBuf {
    let (_, module, version) = BY_GO.iter().find(|(known, ..)| *known == name).unwrap();
    let folder = root().join(".tools").join(format!("{name}-{version}"));
    let program = folder.join(name);
    if !program.is_file() {
        std::fs::create_dir_all(&folder).unwrap();
        let mut install = Command::new("go");
        install
            .args(["install", &format!("{module}@{version}")])
            .env("GOBIN", folder.canonicalize().unwrap());
        succeeds(install, &format!("installing {name}")).await;
    }
    program
}

/// buf, which the test command has installed for the contract; none where it could not.
fn buf() -> Option<PathBuf> {
    std::env::var_os("OUTCRY_BUF").map(PathBuf::from)
}

/// What a tool prints, which must succeed.
async fn prints(program: &Path, arguments: &[&str]) -> String {
    let mut command = Command::new(program);
    command.args(arguments);
    succeeds(command, &format!("{} {arguments:?}", program.display())).await
}

/// How a tool ends that must not succeed, and what it says.
async fn fails(program: &Path, arguments: &[&str]) -> (Option<i32>, String) {
    let output = Command::new(program)
        .args(arguments)
        .kill_on_drop(true)
        .output()
        .await
        .unwrap();
    assert!(!output.status.success(), "{arguments:?}: {output:?}");
    let said = [output.stdout, output.stderr].concat();
    (
        output.status.code(),
        String::from_utf8_lossy(&said).into_owned(),
    )
}

fn parsed(text: &str) -> Value {
    serde_json::from_str(text).unwrap_or_else(|error| panic!("{error}: {text}"))
}

/// Registers somebody by grpcurl and signs them in; the access token.
async fn token(grpcurl: &Path, schema: &str, address: &str) -> String {
    let who = json!({"email": "tools@clients.example", "password": "correct horse battery"});
    let mut register = who.clone();
    register["requestId"] = json!(super::person::fresh());
    register["displayName"] = json!("tools");
    let call = async |method: &str, body: &Value| {
        let body = body.to_string();
        let method = format!("outcry.users.v1.UserService/{method}");
        let arguments = [
            "-plaintext",
            "-protoset",
            schema,
            "-d",
            &body,
            address,
            &method,
        ];
        parsed(&prints(grpcurl, &arguments).await)
    };
    call("Register", &register).await;
    let signed_in = call("Login", &who).await;
    signed_in["tokens"]["accessToken"]
        .as_str()
        .unwrap()
        .to_owned()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn tools_that_know_nothing_of_outcry_work_with_it() {
    let _turn = turn().await;
    if !outcry_servers::present() {
        return;
    }
    if !is_there("go").await {
        assert!(std::env::var_os("CI").is_none(), "there is no go");
        println!("grpcurl, grpc-health-probe and ghz are not tried: there is no go");
        return;
    }
    let grpcurl = by_go("grpcurl").await;
    let probe = by_go("grpc-health-probe").await;
    let ghz = by_go("ghz").await;
    // The export is made where the packages are built.
    built().await;
    let schema = root().join("clients/schema/outcry.binpb");
    let schema = schema.to_str().unwrap();
    let market = Market::open().await;
    let address = market.address.strip_prefix("http://").unwrap();

    // What the server says of itself, and what the export says of it.
    let reflected = prints(&grpcurl, &["-plaintext", address, "list"]).await;
    let exported = prints(&grpcurl, &["-protoset", schema, "list"]).await;
    for services in [&reflected, &exported] {
        assert!(services.lines().any(|line| line == ORDERS), "{services}");
    }
    let token = token(&grpcurl, schema, address).await;
    let bearer = format!("authorization: Bearer {token}");
    let me = [
        "-plaintext",
        "-protoset",
        schema,
        "-H",
        &bearer,
        address,
        "outcry.users.v1.UserService/GetMe",
    ];
    let me = parsed(&prints(&grpcurl, &me).await);
    assert_eq!(me["user"]["displayName"], "tools", "{me:#}");

    let healthy = prints(&probe, &["-addr", address, "-service", ORDERS]).await;
    let whole = prints(&probe, &["-addr", address]).await;
    assert!(
        healthy.is_empty() || healthy.contains("SERVING"),
        "{healthy}"
    );
    assert!(whole.is_empty() || whole.contains("SERVING"), "{whole}");
    let (code, said) = fails(&probe, &["-addr", address, "-service", "nope"]).await;
    assert_eq!(code, Some(3), "{said}");

    let book = json!({"symbol": SYMBOL}).to_string();
    let metadata = json!({"authorization": format!("Bearer {token}")}).to_string();
    let calls = CALLS.to_string();
    let load = [
        "--insecure",
        "--protoset",
        schema,
        "--call",
        "outcry.trades.v1.TradeService/GetBook",
        "-m",
        &metadata,
        "-d",
        &book,
        "-n",
        &calls,
        "-c",
        "4",
        "--connections",
        "2",
        "-t",
        "20s",
        "--format",
        "json",
        address,
    ];
    let load = parsed(&prints(&ghz, &load).await);
    // It exits 0 even when every call fails.
    assert_eq!(
        load["statusCodeDistribution"],
        json!({"OK": CALLS}),
        "{load:#}"
    );

    match buf() {
        Some(buf) => by_buf(&buf, schema, &market.address, &bearer).await,
        None => {
            assert!(std::env::var_os("CI").is_none(), "buf is not installed");
            println!("buf curl is not tried: buf is not installed");
        }
    }
    market.close();
}

/// `buf curl` over gRPC and over gRPC-Web; what is refused is refused with its reason.
async fn by_buf(buf: &Path, schema: &str, address: &str, bearer: &str) {
    let url = format!("{address}/outcry.trades.v1.TradeService/GetBook");
    let body = json!({"symbol": SYMBOL}).to_string();
    for protocol in [
        &["--protocol", "grpc", "--http2-prior-knowledge"][..],
        &["--protocol", "grpcweb"],
    ] {
        let asked = ["curl", "--schema", schema, "-H", bearer, "-d", &body];
        let arguments = [&asked[..], protocol, &[&url]].concat();
        let book = parsed(&prints(buf, &arguments).await);
        assert_eq!(book["symbol"], SYMBOL, "{book:#}");
        let strange = json!({"symbol": "no symbol"}).to_string();
        let asked = ["curl", "--schema", schema, "-H", bearer, "-d", &strange];
        let arguments = [&asked[..], protocol, &[&url]].concat();
        let (_, said) = fails(buf, &arguments).await;
        assert!(said.contains("invalid_argument"), "{said}");
    }
}
