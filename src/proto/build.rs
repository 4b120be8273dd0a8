//! Compiles /proto with protox, so that no protoc is needed, and adds protobuf JSON.

use std::path::Path;

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let root = Path::new("../../proto");
    let files = ["client/v1/client.proto", "quic/v1/session.proto"];
    println!("cargo:rerun-if-changed=../../proto");
    let descriptors = protox::compile(files, [root])?;
    prost_build::Config::new().compile_fds(descriptors.clone())?;
    let encoded = prost::Message::encode_to_vec(&descriptors);
    pbjson_build::Builder::new()
        .register_descriptors(&encoded)?
        .ignore_unknown_fields()
        .build(&[".offhook"])?;
    Ok(())
}
