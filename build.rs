//! Compiles the contract under `proto/` into Rust: messages and gRPC stubs (prost, tonic),
//! event facts, access rules, redaction, and the descriptor set.
//!
//! Everything goes to `OUT_DIR`; no protobuf compiler is needed on the machine.

#[path = "build/generator.rs"]
mod generator;
#[path = "build/modules.rs"]
mod modules;

use std::error::Error;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::{env, fs};

use prost::Message as _;
use prost_reflect::DescriptorPool;
use prost_types::FileDescriptorSet;

const PROTO_ROOT: &str = "proto";
const CONTRACT_ROOT: &str = "proto/outcry";
/// Domain in the `type_url` of events, as every protobuf library expects it.
const TYPE_DOMAIN: &str = "type.googleapis.com";
/// Codec of generated clients.
const CLIENT_CODEC: &str = "crate::codec::ClientCodec";
/// Codec of generated servers: refuses invalid requests.
const SERVER_CODEC: &str = "crate::codec::ServerCodec";

fn main() -> ExitCode {
    println!("cargo:rerun-if-changed={PROTO_ROOT}");
    println!("cargo:rerun-if-changed=build.rs");
    println!("cargo:rerun-if-changed=build");
    match compile() {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("the contract was refused:\n{error}");
            ExitCode::FAILURE
        }
    }
}

fn compile() -> Result<(), Box<dyn Error>> {
    let out = PathBuf::from(env::var("OUT_DIR")?);
    let mut files = Vec::new();
    find_protos(Path::new(CONTRACT_ROOT), &mut files)?;
    files.sort();

    let mut compiler = protox::Compiler::new([PROTO_ROOT])?;
    compiler
        .include_imports(true)
        .include_source_info(true)
        .open_files(&files)?;
    // Encoded by protox itself: prost's own types would lose the custom options.
    let descriptors = compiler.encode_file_descriptor_set();
    fs::write(out.join("descriptors.binpb"), &descriptors)?;

    let pool = DescriptorPool::decode(descriptors.as_slice())?;
    let generated = generator::generate(&pool).map_err(|refusals| refusals.join("\n"))?;
    fs::write(out.join("events.rs"), &generated.events)?;
    fs::write(out.join("methods.rs"), &generated.methods)?;
    fs::write(out.join("validators.rs"), &generated.validators)?;
    fs::write(out.join("redaction.rs"), &generated.redaction)?;

    let mut set = FileDescriptorSet::decode(descriptors.as_slice())?;
    // The rules are read from the descriptors; nobody needs them as messages.
    set.file.retain(|file| !file.package().starts_with("buf."));
    let packages = modules::packages(&set);
    write_messages_and_clients(&out, set.clone(), &generated.redacted)?;
    write_servers(&out, set, &packages)?;
    fs::write(out.join("modules.rs"), modules::write(&packages))?;
    Ok(())
}

/// Every `.proto` below a folder.
fn find_protos(folder: &Path, files: &mut Vec<PathBuf>) -> std::io::Result<()> {
    for entry in fs::read_dir(folder)? {
        let path = entry?.path();
        if path.is_dir() {
            find_protos(&path, files)?;
        } else if path
            .extension()
            .is_some_and(|extension| extension == "proto")
        {
            files.push(path);
        }
    }
    Ok(())
}

fn write_messages_and_clients(
    out: &Path,
    set: FileDescriptorSet,
    redacted: &[String],
) -> std::io::Result<()> {
    let mut config = prost_build::Config::new();
    config
        .enable_type_names()
        .type_name_domain(["."], TYPE_DOMAIN);
    config.skip_debug(redacted.iter().map(|name| format!(".{name}")));
    tonic_prost_build::configure()
        .out_dir(out)
        .build_server(false)
        .build_transport(false)
        .codec_path(CLIENT_CODEC)
        .compile_fds_with_config(set, config)
}

/// Servers are generated in a run of their own, over the messages of the first run,
/// because clients and servers need different codecs.
fn write_servers(
    out: &Path,
    set: FileDescriptorSet,
    packages: &[modules::Package],
) -> std::io::Result<()> {
    let folder = out.join("servers");
    fs::create_dir_all(&folder)?;
    let mut config = prost_build::Config::new();
    for package in packages {
        config.extern_path(format!(".{}", package.name), package.rust_path());
    }
    tonic_prost_build::configure()
        .out_dir(folder)
        .build_client(false)
        .build_transport(false)
        .codec_path(SERVER_CODEC)
        .compile_fds_with_config(set, config)
}
