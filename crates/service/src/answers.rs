//! Requests with an id: done once, answered alike every time.
//!
//! The answer is stored in the commit that carries the request out, under the caller, the method
//! and the request id. Whoever repeats the request gets that answer; whoever uses the id for
//! another request is refused.

use outcry_mesh::refusal;
use outcry_mesh::{Identity, identity};
use outcry_store::Answer;
use prost::Message;
use sha2::{Digest, Sha256};
use tonic::{Code, Request, Status};

use crate::context::Context;
use crate::key_lock::KeyGuard;

/// What is known about a request.
#[derive(Debug)]
pub enum Lookup<Reply> {
    /// It was carried out before: this was the answer.
    Answered(Reply),
    /// It is new: carry it out and put [`Pending::answer`] into the commit.
    New(Pending),
}

/// A request being carried out. While it lives, repeats of the request in this process wait.
#[derive(Debug)]
pub struct Pending {
    /// `None` for a request without an id, which is carried out every time it comes.
    key: Option<Key>,
    _turn: Option<KeyGuard>,
}

/// What an answer is stored under.
#[derive(Clone, Debug)]
struct Key {
    principal: String,
    method: &'static str,
    request_id: String,
    hash: [u8; 32],
}

/// Looks for the answer of a request; waits while the same request is being carried out here.
///
/// `method` is the full name, `/outcry.orders.v1.OrderService/PlaceOrder`. An empty `request_id`
/// means that the caller does not ask for this protection.
///
/// # Errors
/// `INVALID_ARGUMENT`, reason `REQUEST_ID_REUSED`, when the id belongs to another request;
/// `UNAVAILABLE` when the store does not answer.
pub async fn lookup<Body: Message, Reply: Message + Default>(
    ctx: &Context,
    request: &Request<Body>,
    method: &'static str,
    request_id: &str,
) -> Result<Lookup<Reply>, Status> {
    if request_id.is_empty() {
        return Ok(Lookup::New(Pending {
            key: None,
            _turn: None,
        }));
    }
    let key = Key {
        principal: principal(identity(request)),
        method,
        request_id: request_id.to_owned(),
        hash: Sha256::digest(request.get_ref().encode_to_vec()).into(),
    };
    let turn = ctx.requests().lock(key.lock_name()).await;
    match stored(ctx, &key).await? {
        Some(reply) => Ok(Lookup::Answered(reply)),
        None => Ok(Lookup::New(Pending {
            key: Some(key),
            _turn: Some(turn),
        })),
    }
}

/// Carries a request out once: `work` gets the [`Pending`] and must put its answer into the commit.
///
/// When another process was faster with the same request, `work` fails with a duplicate and the
/// answer of the faster one is returned.
///
/// # Errors
/// Those of [`lookup`] and those of `work`.
pub async fn once<Body, Reply, Work>(
    ctx: &Context,
    request: &Request<Body>,
    method: &'static str,
    request_id: &str,
    work: impl FnOnce(Pending) -> Work,
) -> Result<Reply, Status>
where
    Body: Message,
    Reply: Message + Default,
    Work: Future<Output = Result<Reply, Status>>,
{
    let pending = match lookup(ctx, request, method, request_id).await? {
        Lookup::Answered(reply) => return Ok(reply),
        Lookup::New(pending) => pending,
    };
    let key = pending.key.clone();
    let outcome = work(pending).await;
    match (outcome, key) {
        // Another replica may have carried the same request out meanwhile; what this one met then,
        // be it a conflict or a refusal, is the other's own doing.
        (Err(status), Some(key)) => stored(ctx, &key).await?.ok_or(status),
        (outcome, _) => outcome,
    }
}

/// The stored answer of a request, when there is one.
async fn stored<Reply: Message + Default>(
    ctx: &Context,
    key: &Key,
) -> Result<Option<Reply>, Status> {
    let answer = ctx
        .store
        .answer(&key.principal, key.method, &key.request_id)
        .await
        .map_err(crate::faults::store_failure)?;
    let Some(answer) = answer else {
        return Ok(None);
    };
    if answer.request_hash != key.hash {
        return Err(refusal::with_reason(
            Code::InvalidArgument,
            "REQUEST_ID_REUSED",
            "this request id was used for another request; use a new one",
        ));
    }
    Reply::decode(answer.response.as_slice())
        .map(Some)
        .map_err(|error| {
            tracing::error!(method = key.method, %error, "stored answer cannot be decoded");
            refusal::with_reason(Code::Internal, "INTERNAL", "the service failed")
        })
}

/// Under whose name answers are kept: the user, else the calling service.
fn principal(identity: &Identity) -> String {
    match (&identity.user, &identity.caller) {
        (Some(user), _) => format!("user:{}", user.id),
        (None, Some(caller)) => format!("service:{caller}"),
        (None, None) => "nobody".to_owned(),
    }
}

// === impl Pending ===

impl Pending {
    /// The answer to store, for [`Commit::answered`](outcry_store::Commit::answered); `None` for
    /// a request without an id.
    pub fn answer(&self, ctx: &Context, reply: &impl Message) -> Option<Answer> {
        let key = self.key.as_ref()?;
        Some(Answer {
            principal: key.principal.clone(),
            method: key.method.to_owned(),
            request_id: key.request_id.clone(),
            request_hash: key.hash,
            response: reply.encode_to_vec(),
            at: ctx.clock.now(),
        })
    }
}

// === impl Key ===

impl Key {
    /// Principals and methods hold no line breaks, so two keys never share a name.
    fn lock_name(&self) -> String {
        format!("{}\n{}\n{}", self.principal, self.method, self.request_id)
    }
}
