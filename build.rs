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

use generator::Generated;
use prost::Message as _;
use prost_reflect::DescriptorPool;
use prost_types::FileDescriptorSet;

const PROTO_ROOT: &str = "proto";
const CONTRACT_ROOT: &str = "proto/outcry";
/// Messages with every kind of rule, for this crate's own tests.
const SAMPLES_ROOT: &str = "build/samples";
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
    write_sources(&out)?;
    Contract::read(&[PROTO_ROOT], Path::new(CONTRACT_ROOT), "outcry")?.write(&out, "")?;
    Contract::read(
        &[SAMPLES_ROOT, PROTO_ROOT],
        Path::new(SAMPLES_ROOT),
        "outcry.sample",
    )?
    .write(&out, "samples/")?;
    Ok(())
}

/// Compiled `.proto` files and what the generator made of them.
struct Contract {
    /// Package whose Rust source is wanted, with all below it.
    scope: &'static str,
    descriptors: Vec<u8>,
    /// Without the rules, which nobody needs as messages.
    set: FileDescriptorSet,
    generated: Generated,
}

impl Contract {
    fn read(
        includes: &[&str],
        root: &Path,
        scope: &'static str,
    ) -> Result<Contract, Box<dyn Error>> {
        let mut files = Vec::new();
        find_protos(root, &mut files)?;
        files.sort();
        let mut compiler = protox::Compiler::new(includes)?;
        compiler
            .include_imports(true)
            .include_source_info(true)
            .open_files(&files)
            // The debug form is the one that names the file and line.
            .map_err(|error| format!("{error:?}"))?;
        // Encoded by protox itself: prost's own types would lose the custom options.
        let descriptors = compiler.encode_file_descriptor_set();
        let pool = DescriptorPool::decode(descriptors.as_slice())?;
        let generated =
            generator::generate(&pool, scope).map_err(|refusals| refusals.join("\n"))?;
        let mut set = FileDescriptorSet::decode(descriptors.as_slice())?;
        set.file.retain(|file| !file.package().starts_with("buf."));
        Ok(Contract {
            scope,
            descriptors,
            set,
            generated,
        })
    }

    /// Writes everything into a folder of `OUT_DIR`: empty for itself, or ending in `/`.
    fn write(&self, out: &Path, folder: &str) -> std::io::Result<()> {
        let target = out.join(folder);
        fs::create_dir_all(target.join("servers"))?;
        fs::write(target.join("descriptors.binpb"), &self.descriptors)?;
        fs::write(target.join("validators.rs"), &self.generated.validators)?;
        fs::write(target.join("redaction.rs"), &self.generated.redaction)?;
        fs::write(target.join("events.rs"), &self.generated.events)?;
        fs::write(target.join("methods.rs"), &self.generated.methods)?;
        let packages = modules::packages(&self.set);
        fs::write(
            target.join("modules.rs"),
            modules::write(&packages, self.scope, folder),
        )?;
        self.write_messages_and_clients(&target)?;
        self.write_servers(&target.join("servers"), &packages)
    }

    fn write_messages_and_clients(&self, out: &Path) -> std::io::Result<()> {
        let mut config = prost_build::Config::new();
        config
            .enable_type_names()
            .type_name_domain(["."], TYPE_DOMAIN);
        config.skip_debug(
            self.generated
                .redacted
                .iter()
                .map(|name| format!(".{name}")),
        );
        tonic_prost_build::configure()
            .out_dir(out)
            .build_server(false)
            .build_transport(false)
            .codec_path(CLIENT_CODEC)
            .compile_fds_with_config(self.set.clone(), config)
    }

    /// Servers are generated in a run of their own, over the messages of the first run,
    /// because clients and servers need different codecs.
    fn write_servers(&self, out: &Path, packages: &[modules::Package]) -> std::io::Result<()> {
        let mut config = prost_build::Config::new();
        for package in packages {
            config.extern_path(format!(".{}", package.name), package.rust_path());
        }
        tonic_prost_build::configure()
            .out_dir(out)
            .build_client(false)
            .build_transport(false)
            .codec_path(SERVER_CODEC)
            .compile_fds_with_config(self.set.clone(), config)
    }
}

/// Every file of the contract, imports included, as it is read by people: name and text.
fn write_sources(out: &Path) -> Result<(), Box<dyn Error>> {
    let mut files = Vec::new();
    find_protos(Path::new(PROTO_ROOT), &mut files)?;
    files.sort();
    let mut table = String::from("&[\n");
    for file in files {
        let name = file.strip_prefix(PROTO_ROOT)?.display().to_string();
        let text = fs::canonicalize(&file)?.display().to_string();
        table.push_str(&format!("    ({name:?}, include_str!({text:?})),\n"));
    }
    table.push(']');
    Ok(fs::write(out.join("sources.rs"), table)?)
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
