//! What counts as a call: gRPC over POST, protobuf, not compressed.

use http::header::{CONTENT_ENCODING, CONTENT_TYPE};
use http::{HeaderMap, HeaderValue, Method, Request};
use outcry_mesh::refusal;
use tonic::{Code, Status};

/// How a call's messages are compressed.
const GRPC_ENCODING: &str = "grpc-encoding";

/// What a refused client may send instead.
const GRPC_ACCEPT_ENCODING: &str = "grpc-accept-encoding";

/// No compression.
const IDENTITY: &str = "identity";

/// Whether a request is a call this gateway takes, by its head alone.
///
/// # Errors
/// Why it is none.
pub(super) fn check<B>(request: &Request<B>) -> Result<(), Status> {
    let headers = request.headers();
    if request.method() != Method::POST || !is_protobuf(headers.get(CONTENT_TYPE)) {
        return Err(refusal::with_reason(
            Code::InvalidArgument,
            "NOT_A_GRPC_CALL",
            "call this by gRPC or gRPC-Web: POST with content type application/grpc, messages in protobuf",
        ));
    }
    let grpc_encoding = http::HeaderName::from_static(GRPC_ENCODING);
    if is_plain(headers, &grpc_encoding) && is_plain(headers, &CONTENT_ENCODING) {
        return Ok(());
    }
    Err(compressed())
}

/// The refusal of anything compressed: what a few bytes unpack to is the sender's choice.
pub(super) fn compressed() -> Status {
    let mut status = refusal::with_reason(
        Code::Unimplemented,
        "COMPRESSION_NOT_SUPPORTED",
        "send messages uncompressed: grpc-encoding identity, and no content-encoding",
    );
    let accepted = tonic::metadata::AsciiMetadataValue::from_static(IDENTITY);
    status.metadata_mut().insert(GRPC_ACCEPT_ENCODING, accepted);
    status
}

fn is_protobuf(content_type: Option<&HeaderValue>) -> bool {
    let Some(Ok(text)) = content_type.map(HeaderValue::to_str) else {
        return false;
    };
    let kind = text.split(';').next().unwrap_or_default().trim();
    kind.eq_ignore_ascii_case("application/grpc")
        || kind.eq_ignore_ascii_case("application/grpc+proto")
}

fn is_plain(headers: &HeaderMap, name: &http::HeaderName) -> bool {
    headers
        .get_all(name)
        .iter()
        .all(|value| value.as_bytes().eq_ignore_ascii_case(IDENTITY.as_bytes()))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn checked(method: Method, headers: &[(&str, &str)]) -> Result<(), Code> {
        let mut request = Request::builder().method(method);
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        check(&request.body(()).unwrap()).map_err(|status| status.code())
    }

    #[test]
    fn a_call_is_a_post_of_protobuf_messages() {
        for kind in [
            "application/grpc",
            "application/grpc+proto",
            "application/grpc;charset=utf-8",
            "Application/gRPC",
        ] {
            assert_eq!(checked(Method::POST, &[("content-type", kind)]), Ok(()));
            let by_get = checked(Method::GET, &[("content-type", kind)]);
            assert_eq!(by_get, Err(Code::InvalidArgument));
        }
        for kind in [
            "application/grpc+json",
            "application/grpcfoo",
            "application/grpc-web",
            "application/json",
            "",
        ] {
            let refused = checked(Method::POST, &[("content-type", kind)]);
            assert_eq!(refused, Err(Code::InvalidArgument), "{kind}");
        }
        assert_eq!(checked(Method::POST, &[]), Err(Code::InvalidArgument));
    }

    #[test]
    fn nothing_compressed_is_taken() {
        let with = |name, value| {
            let kind = ("content-type", "application/grpc");
            checked(Method::POST, &[kind, (name, value)])
        };
        for name in ["grpc-encoding", "content-encoding"] {
            assert_eq!(with(name, "identity"), Ok(()));
            for value in ["gzip", "deflate", "zstd", "identity,gzip", ""] {
                assert_eq!(with(name, value), Err(Code::Unimplemented), "{value}");
            }
        }
    }
}
