//! Requests with an id are carried out once.

use outcry_contracts::payments::v1::{
    CreatePaymentRequest, CreatePaymentResponse, Payment as Reply,
};
use outcry_events::Amount;
use outcry_service::testing::Platform;
use outcry_service::{Context, answers, execute, load};
use outcry_store::RelaySlots;
use tonic::{Code, Request, Status};

use crate::toys::{Capture, Payment, id, root};

const METHOD: &str = "/outcry.payments.v1.PaymentService/CreatePayment";

fn request(request_id: u128, units: i32) -> Request<CreatePaymentRequest> {
    Request::new(CreatePaymentRequest {
        request_id: id(request_id),
        amount: Some(Amount::from_units(units).to_money()),
    })
}

/// A handler as a service has it: makes a payment with a new id.
async fn create(
    ctx: &Context,
    request: Request<CreatePaymentRequest>,
) -> Result<CreatePaymentResponse, Status> {
    let request_id = request.get_ref().request_id.clone();
    answers::once(ctx, &request, METHOD, &request_id, async |pending| {
        let payment_id = ctx.clock.new_id().to_string();
        let command = Capture {
            payment: payment_id.clone(),
            user: id(1),
            units: 5,
        };
        let reply = CreatePaymentResponse {
            payment: Some(Reply {
                payment_id: payment_id.clone(),
                ..Default::default()
            }),
        };
        execute::<Payment>(ctx, &payment_id, &root(), &command, |_, commit| {
            commit.answered = pending.answer(ctx, &reply);
            Ok(())
        })
        .await?;
        Ok(reply)
    })
    .await
}

fn payment_id(reply: CreatePaymentResponse) -> String {
    reply.payment.unwrap().payment_id
}

async fn events(ctx: &Context) -> usize {
    ctx.store.unsent(RelaySlots::ALL, 100).await.unwrap().len()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_repeated_request_gets_the_first_answer_even_after_a_restart() {
    let folder = tempfile::tempdir().unwrap();
    let platform = Platform::open(folder.path()).await;
    let ctx = platform.context("payments").await;
    let first = payment_id(create(&ctx, request(1, 5)).await.unwrap());
    let again = payment_id(create(&ctx, request(1, 5)).await.unwrap());
    assert_eq!(first, again);
    let other = payment_id(create(&ctx, request(2, 5)).await.unwrap());
    assert_ne!(first, other);
    drop(ctx);

    let platform = platform.restart().await;
    let ctx = platform.context("payments").await;
    let again = payment_id(create(&ctx, request(1, 5)).await.unwrap());
    assert_eq!(first, again);
    assert_eq!(events(&ctx).await, 2);
    assert_eq!(load::<Payment>(&ctx, &first).await.unwrap().sequence, 1);
    drop(ctx);
    platform.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_id_used_for_another_request_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    let platform = Platform::open(folder.path()).await;
    let ctx = platform.context("payments").await;
    create(&ctx, request(1, 5)).await.unwrap();
    let refused = create(&ctx, request(1, 6)).await.unwrap_err();
    assert_eq!(refused.code(), Code::InvalidArgument);
    assert!(String::from_utf8_lossy(refused.details()).contains("REQUEST_ID_REUSED"));
    assert_eq!(events(&ctx).await, 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn of_concurrent_repeats_one_is_carried_out_and_all_get_its_answer() {
    let folder = tempfile::tempdir().unwrap();
    let platform = Platform::open(folder.path()).await;
    // Two contexts on one store, as two processes would have: they do not see each other's locks.
    let (here, there) = (
        platform.context("payments").await,
        platform.context("payments").await,
    );
    let repeats = (0..20).map(|n| {
        let ctx = if n % 2 == 0 { &here } else { &there };
        create(ctx, request(1, 5))
    });
    let answers = futures::future::join_all(repeats).await;
    let ids: Vec<String> = answers
        .into_iter()
        .map(|answer| payment_id(answer.unwrap()))
        .collect();
    assert!(ids.iter().all(|one| *one == ids[0]));
    assert_eq!(events(&here).await, 1);
}
