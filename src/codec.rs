//! How requests and responses cross the wire: bounded in size and, on servers, validated.

use std::marker::PhantomData;

use prost::Message;
use tonic::codec::{Codec, DecodeBuf, Decoder, EncodeBuf, Encoder};
use tonic::{Code, Status};
use tonic_types::{ErrorDetails, FieldViolation, StatusExt as _};

use crate::validate::{Validate, Violations};

#[cfg(test)]
mod tests;

/// Largest request, in bytes: far above any command, far below what could exhaust a server
/// that reads many at once.
pub const MAX_REQUEST_BYTES: usize = 1024 * 1024;

/// Largest response or streamed item, in bytes: what gRPC libraries accept unless told otherwise.
pub const MAX_RESPONSE_BYTES: usize = 4 * 1024 * 1024;

/// Domain of every reason Outcry gives for an error.
pub const ERROR_DOMAIN: &str = "outcry";

/// Reason given for a request that breaks the contract's rules.
pub const INVALID_REQUEST: &str = "INVALID_REQUEST";

/// Reason given for a request that is no protobuf of the expected type.
pub const MALFORMED_REQUEST: &str = "MALFORMED_REQUEST";

/// Codec of generated clients: sends `T`, receives `U`.
#[derive(Debug, Clone)]
pub struct ClientCodec<T, U>(PhantomData<(T, U)>);

/// Codec of generated servers: sends `T`, receives and validates `U`.
#[derive(Debug, Clone)]
pub struct ServerCodec<T, U>(PhantomData<(T, U)>);

impl<T, U> Default for ClientCodec<T, U> {
    fn default() -> Self {
        ClientCodec(PhantomData)
    }
}

impl<T, U> Default for ServerCodec<T, U> {
    fn default() -> Self {
        ServerCodec(PhantomData)
    }
}

impl<T, U> Codec for ClientCodec<T, U>
where
    T: Message + 'static,
    U: Message + Default + 'static,
{
    type Encode = T;
    type Decode = U;
    type Encoder = BoundedEncoder<T>;
    type Decoder = ResponseDecoder<U>;

    fn encoder(&mut self) -> Self::Encoder {
        BoundedEncoder {
            limit: MAX_REQUEST_BYTES,
            message: PhantomData,
        }
    }

    fn decoder(&mut self) -> Self::Decoder {
        ResponseDecoder(PhantomData)
    }
}

impl<T, U> Codec for ServerCodec<T, U>
where
    T: Message + 'static,
    U: Message + Default + Validate + 'static,
{
    type Encode = T;
    type Decode = U;
    type Encoder = BoundedEncoder<T>;
    type Decoder = RequestDecoder<U>;

    fn encoder(&mut self) -> Self::Encoder {
        BoundedEncoder {
            limit: MAX_RESPONSE_BYTES,
            message: PhantomData,
        }
    }

    fn decoder(&mut self) -> Self::Decoder {
        RequestDecoder(PhantomData)
    }
}

/// Writes messages up to a limit. A larger one is not sent; tonic reports that as `INTERNAL`,
/// because it is a fault of the side that wrote it.
#[derive(Debug)]
pub struct BoundedEncoder<T> {
    limit: usize,
    message: PhantomData<T>,
}

impl<T: Message> Encoder for BoundedEncoder<T> {
    type Item = T;
    type Error = Status;

    fn encode(&mut self, item: T, buffer: &mut EncodeBuf<'_>) -> Result<(), Status> {
        refuse_oversized(item.encoded_len(), self.limit)?;
        item.encode(buffer)
            .map_err(|error| Status::internal(error.to_string()))
    }
}

/// Reads responses. They are not validated: a newer server may know values this client does not.
#[derive(Debug)]
pub struct ResponseDecoder<U>(PhantomData<U>);

impl<U: Message + Default> Decoder for ResponseDecoder<U> {
    type Item = U;
    type Error = Status;

    fn decode(&mut self, buffer: &mut DecodeBuf<'_>) -> Result<Option<U>, Status> {
        refuse_oversized(remaining(buffer), MAX_RESPONSE_BYTES)?;
        U::decode(buffer)
            .map(Some)
            .map_err(|error| Status::internal(error.to_string()))
    }
}

/// Reads requests and refuses those that break the rules of the contract.
#[derive(Debug)]
pub struct RequestDecoder<U>(PhantomData<U>);

impl<U: Message + Default + Validate> Decoder for RequestDecoder<U> {
    type Item = U;
    type Error = Status;

    fn decode(&mut self, buffer: &mut DecodeBuf<'_>) -> Result<Option<U>, Status> {
        refuse_oversized(remaining(buffer), MAX_REQUEST_BYTES)?;
        let request = U::decode(buffer).map_err(|error| malformed(&error))?;
        request
            .validate()
            .map_err(|violations| invalid_request(&violations))?;
        Ok(Some(request))
    }
}

/// The answer to a request that breaks rules: `INVALID_ARGUMENT` with `google.rpc.BadRequest`
/// and `google.rpc.ErrorInfo`.
#[must_use]
pub fn invalid_request(violations: &Violations) -> Status {
    let fields: Vec<FieldViolation> = violations
        .list
        .iter()
        .map(|violation| {
            let mut field = FieldViolation::new(&violation.field, &violation.message);
            field.reason = reason_of(violation.rule);
            field
        })
        .collect();
    let mut details = ErrorDetails::new();
    details
        .set_error_info(INVALID_REQUEST, ERROR_DOMAIN, [])
        .set_bad_request(fields);
    Status::with_error_details(
        Code::InvalidArgument,
        format!("the request breaks the contract: {violations}"),
        details,
    )
}

/// The id of a rule in the form that `google.rpc.BadRequest` gives reasons: `INT64_GTE` for
/// `int64.gte`.
fn reason_of(rule: &str) -> String {
    rule.replace('.', "_").to_ascii_uppercase()
}

fn malformed(error: &prost::DecodeError) -> Status {
    let mut details = ErrorDetails::new();
    details.set_error_info(MALFORMED_REQUEST, ERROR_DOMAIN, []);
    Status::with_error_details(
        Code::InvalidArgument,
        format!("the request is not what the method takes: {error}"),
        details,
    )
}

fn refuse_oversized(bytes: usize, limit: usize) -> Result<(), Status> {
    if bytes > limit {
        return Err(Status::resource_exhausted(format!(
            "the message has {bytes} bytes, the limit is {limit}"
        )));
    }
    Ok(())
}

fn remaining(buffer: &DecodeBuf<'_>) -> usize {
    prost::bytes::Buf::remaining(buffer)
}
