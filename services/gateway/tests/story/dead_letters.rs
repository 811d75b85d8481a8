//! Dead letters of any group, asked for at one place.

use outcry_contracts::operations::v1::dead_letter_service_client::DeadLetterServiceClient;
use outcry_contracts::operations::v1::dead_letter_service_server::{
    DeadLetterService, DeadLetterServiceServer,
};
use outcry_contracts::operations::v1::*;
use outcry_contracts::types::v1::{PageInfo, PageRequest};
use outcry_mesh::{Role, cause, refusal};
use tonic::service::Routes;
use tonic::transport::Channel;
use tonic::{Code, Request, Response, Status};

use crate::rig::{Rig, user};

/// A service with dead letters `1..=letters`; its audit names whoever asks.
struct Service {
    name: &'static str,
    letters: u64,
}

#[tonic::async_trait]
impl DeadLetterService for Service {
    async fn list_dead_letters(
        &self,
        request: Request<ListDeadLettersRequest>,
    ) -> Result<Response<ListDeadLettersResponse>, Status> {
        let page = request.into_inner().page.unwrap_or_default();
        let after: u64 = page.token.parse().unwrap_or(0);
        let last = (after + u64::try_from(page.size).unwrap()).min(self.letters);
        let dead_letters = (after + 1..=last)
            .map(|position| DeadLetter {
                group: self.name.into(),
                position,
                ..Default::default()
            })
            .collect();
        let next_token = if last < self.letters {
            last.to_string()
        } else {
            String::new()
        };
        let page = Some(PageInfo { next_token });
        Ok(Response::new(ListDeadLettersResponse {
            dead_letters,
            page,
        }))
    }

    async fn get_dead_letter(
        &self,
        request: Request<GetDeadLetterRequest>,
    ) -> Result<Response<GetDeadLetterResponse>, Status> {
        let asked = request.into_inner();
        if asked.position > self.letters {
            return Err(refusal::with_reason(
                Code::NotFound,
                "NO_SUCH_DEAD_LETTER",
                "none",
            ));
        }
        let position = asked.position;
        let letter = DeadLetter {
            group: self.name.into(),
            position,
            ..Default::default()
        };
        Ok(Response::new(GetDeadLetterResponse {
            dead_letter: Some(letter),
            ..Default::default()
        }))
    }

    async fn redrive_dead_letters(
        &self,
        _: Request<RedriveDeadLettersRequest>,
    ) -> Result<Response<RedriveDeadLettersResponse>, Status> {
        Ok(Response::new(RedriveDeadLettersResponse {
            events: self.letters,
            keys: 1,
        }))
    }

    async fn discard_dead_letter(
        &self,
        _: Request<DiscardDeadLetterRequest>,
    ) -> Result<Response<DiscardDeadLetterResponse>, Status> {
        Ok(Response::new(DiscardDeadLetterResponse {}))
    }

    async fn list_dead_letter_audit(
        &self,
        request: Request<ListDeadLetterAuditRequest>,
    ) -> Result<Response<ListDeadLetterAuditResponse>, Status> {
        let actor = cause(&request).actor;
        let action = DeadLetterAction {
            group: self.name.into(),
            actor,
            ..Default::default()
        };
        Ok(Response::new(ListDeadLetterAuditResponse {
            actions: vec![action],
            page: None,
        }))
    }
}

async fn platform() -> (Rig, DeadLetterServiceClient<Channel>) {
    let rig = Rig::start().await;
    for (name, letters) in [("funds", 3), ("ledger", 0), ("trades", 4)] {
        let server = DeadLetterServiceServer::new(Service { name, letters });
        rig.directory.register(name, Routes::new(server)).unwrap();
    }
    let client = DeadLetterServiceClient::new(rig.connect().await);
    (rig, client)
}

#[tokio::test]
async fn the_group_decides_which_service_answers() {
    let (rig, mut client) = platform().await;
    for group in ["funds", "trades"] {
        let asked = GetDeadLetterRequest {
            group: group.into(),
            position: 1,
        };
        let answer = client
            .get_dead_letter(rig.by(&user(1), Role::Viewer, asked))
            .await
            .unwrap();
        assert_eq!(answer.into_inner().dead_letter.unwrap().group, group);
    }
    let asked = RedriveDeadLettersRequest {
        group: "trades".into(),
        ..Default::default()
    };
    let answer = client
        .redrive_dead_letters(rig.by(&user(1), Role::Admin, asked))
        .await
        .unwrap();
    assert_eq!(answer.into_inner().events, 4);
    let asked = GetDeadLetterRequest {
        group: "nobody".into(),
        position: 1,
    };
    let unknown = client
        .get_dead_letter(rig.by(&user(1), Role::Viewer, asked))
        .await
        .unwrap_err();
    assert_eq!(unknown.code(), Code::NotFound);
    assert!(
        unknown.message().contains("funds, ledger, trades"),
        "{}",
        unknown.message()
    );
}

#[tokio::test]
async fn a_listing_without_a_group_goes_through_all_of_them_page_by_page() {
    let (rig, mut client) = platform().await;
    let mut token = String::new();
    let mut pages = Vec::new();
    loop {
        let page = Some(PageRequest { size: 2, token });
        let asked = ListDeadLettersRequest {
            page,
            ..Default::default()
        };
        let answer = client
            .list_dead_letters(rig.by(&user(1), Role::Admin, asked))
            .await
            .unwrap();
        let answer = answer.into_inner();
        let rows: Vec<_> = answer
            .dead_letters
            .into_iter()
            .map(|one| (one.group, one.position))
            .collect();
        pages.push(rows.len());
        token = answer.page.unwrap().next_token;
        if token.is_empty() {
            break;
        }
    }
    assert_eq!(pages.iter().sum::<usize>(), 7);
    assert!(pages.iter().all(|rows| *rows <= 2), "{pages:?}");
}

#[tokio::test]
async fn the_service_knows_which_operator_asks_and_customers_get_nothing() {
    let (rig, mut client) = platform().await;
    let asked = ListDeadLetterAuditRequest {
        group: "funds".into(),
        page: None,
    };
    let answer = client.list_dead_letter_audit(rig.by(&user(5), Role::Viewer, asked.clone()));
    let actions = answer.await.unwrap().into_inner().actions;
    assert_eq!(actions[0].actor, format!("user:{}", user(5)));
    let denied = client
        .list_dead_letter_audit(rig.by(&user(5), Role::User, asked))
        .await;
    assert_eq!(denied.unwrap_err().code(), Code::PermissionDenied);
    let asked = DiscardDeadLetterRequest {
        group: "funds".into(),
        position: 1,
        reason: "x".into(),
    };
    let denied = client
        .discard_dead_letter(rig.by(&user(5), Role::Viewer, asked))
        .await;
    assert_eq!(
        denied.unwrap_err().code(),
        Code::PermissionDenied,
        "viewers only look"
    );
}
