use super::*;
use crate::samples::{broken, sale};

#[test]
fn an_archive_with_every_event_once_breaks_nothing_and_others_are_found() {
    let history = sale().history();
    let mut ids: Vec<_> = history.events.iter().map(|one| one.event.id()).collect();
    let judge = |ids: &[Uuid]| {
        let mut findings = Findings::default();
        check_archive(&history, ids, &mut findings);
        broken(&findings)
    };
    assert_eq!(judge(&ids), Vec::<&str>::new());
    ids.push(ids[0]);
    assert_eq!(judge(&ids), ["delivery"]);
    assert_eq!(judge(&[Uuid::from_u128(0xbad)]), ["delivery"]);
}
