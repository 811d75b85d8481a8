//! Given, when, then; and any history at all.

use outcry_service::testing::{Given, given};
use proptest::prelude::*;

use super::*;

const ANN: &str = "0190b3a0-0000-7000-8000-000000000001";
const ADMIN: &str = "0190b3a0-0000-7000-8000-000000000002";

fn created() -> UserEvent {
    UserCreatedEvent {
        user_id: ANN.to_owned(),
        display_name: "Ann".to_owned(),
        roles: vec![Role::User.into()],
    }
    .into()
}

fn ann() -> Given<User> {
    given([created()])
}

fn register() -> Command {
    Command::Register {
        user_id: ANN.to_owned(),
        display_name: "Ann".to_owned(),
        roles: vec![Role::User, Role::User],
    }
}

fn set_status(status: UserStatus) -> Command {
    Command::SetStatus {
        by: ADMIN.to_owned(),
        status,
        reason: "documents".to_owned(),
    }
}

fn set_roles(by: &str, roles: &[Role]) -> Command {
    Command::SetRoles {
        by: by.to_owned(),
        roles: roles.to_vec(),
    }
}

fn sign_in() -> Command {
    Command::SignIn {
        ip_address: "203.0.113.7".to_owned(),
    }
}

fn status_changed(old: UserStatus, new: UserStatus, token_epoch: u64) -> UserEvent {
    UserStatusChangedEvent {
        user_id: ANN.to_owned(),
        old_status: old.into(),
        new_status: new.into(),
        reason: "documents".to_owned(),
        token_epoch,
    }
    .into()
}

#[test]
fn somebody_registers_once_with_each_role_once() {
    given::<User>([])
        .when(register())
        .then([created()])
        .when(register())
        .then_refused(Rejection::AlreadyRegistered);
}

#[test]
fn nothing_happens_to_a_user_who_is_not_there() {
    for command in [
        sign_in(),
        Command::ChangePassword,
        set_status(UserStatus::Closed),
    ] {
        given::<User>([])
            .when(command)
            .then_refused(Rejection::Unknown);
    }
}

#[test]
fn a_suspension_raises_the_epoch_and_keeps_the_user_out_until_reinstated() {
    let (active, suspended) = (UserStatus::Active, UserStatus::Suspended);
    let out = ann()
        .when(set_status(suspended))
        .then([status_changed(active, suspended, 1)]);
    out.clone()
        .when(sign_in())
        .then_refused(Rejection::Suspended);
    out.clone().when(set_status(suspended)).then_nothing();
    let back = out
        .when(set_status(active))
        .then([status_changed(suspended, active, 2)]);
    assert_eq!(back.when(sign_in()).then_events().len(), 1);
}

#[test]
fn closed_is_final() {
    let closed = given::<User>([
        created(),
        status_changed(UserStatus::Active, UserStatus::Closed, 1),
    ]);
    for command in [
        sign_in(),
        Command::ChangePassword,
        set_status(UserStatus::Active),
        set_roles(ADMIN, &[Role::Viewer]),
    ] {
        closed.clone().when(command).then_refused(Rejection::Closed);
    }
}

#[test]
fn roles_in_another_order_are_the_same_roles() {
    let both = ann()
        .when(set_roles(ADMIN, &[Role::Viewer, Role::User]))
        .then([UserRoleChangedEvent {
            user_id: ANN.to_owned(),
            old_roles: vec![Role::User.into()],
            new_roles: numbers(&ordered(&[Role::User, Role::Viewer])),
            token_epoch: 1,
        }
        .into()]);
    both.when(set_roles(ADMIN, &[Role::User, Role::Viewer, Role::User]))
        .then_nothing();
}

#[test]
fn nobody_changes_their_own_rights() {
    ann()
        .when(set_roles(ANN, &[Role::Admin]))
        .then_refused(Rejection::OwnAccount);
    ann()
        .when(set_roles(ADMIN, &[Role::Unspecified]))
        .then_refused(Rejection::NoRoles);
}

#[test]
fn a_profile_that_stays_the_same_is_no_change() {
    let update = |name: Option<&str>, email_changed| Command::Update {
        display_name: name.map(str::to_owned),
        email_changed,
    };
    ann().when(update(None, false)).then_nothing();
    ann().when(update(Some("Ann"), false)).then_nothing();
    let moved = UserUpdatedEvent {
        user_id: ANN.to_owned(),
        display_name: "Ann".to_owned(),
        email_changed: true,
    };
    ann().when(update(None, true)).then([moved.into()]);
}

fn any_command() -> impl Strategy<Value = Command> {
    let status = prop_oneof![
        4 => Just(UserStatus::Active),
        4 => Just(UserStatus::Suspended),
        1 => Just(UserStatus::Closed),
    ];
    let role = prop_oneof![Just(Role::User), Just(Role::Admin), Just(Role::Viewer)];
    prop_oneof![
        Just(register()),
        Just(sign_in()),
        Just(Command::ChangePassword),
        status.prop_map(set_status),
        (
            prop_oneof![Just(ANN), Just(ADMIN)],
            proptest::collection::vec(role, 0..4)
        )
            .prop_map(|(by, roles)| set_roles(by, &roles)),
        ("[a-c]{0,2}", any::<bool>()).prop_map(|(name, email_changed)| Command::Update {
            display_name: Some(name),
            email_changed,
        }),
    ]
}

proptest! {
    #[test]
    fn the_epoch_rises_by_one_with_every_change_of_rights_and_stays_otherwise(
        commands in proptest::collection::vec(any_command(), 0..40),
    ) {
        let mut user = User::default();
        for command in commands {
            let Ok(events) = user.decide(&command) else { continue };
            for event in events {
                let was = user.clone();
                user = user.evolve(&event);
                let rights = matches!(
                    event,
                    UserEvent::StatusChanged(_) | UserEvent::RoleChanged(_) | UserEvent::PasswordChanged(_)
                );
                prop_assert_eq!(user.token_epoch, was.token_epoch + u64::from(rights));
                prop_assert!(was.status != UserStatus::Closed);
                prop_assert!(!user.roles.is_empty());
            }
        }
    }
}
