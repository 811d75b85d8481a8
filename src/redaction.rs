//! `Debug` for messages with fields marked `(outcry.options.v1.personal)`: they are shown as
//! `<hidden>`, so personal data reaches no log by accident.

include!(concat!(env!("OUT_DIR"), "/redaction.rs"));

#[cfg(test)]
mod sample {
    include!(concat!(env!("OUT_DIR"), "/samples/redaction.rs"));
}

#[cfg(test)]
mod tests {
    use crate::sample::v1::{Secrets, Side, secrets::Means};

    fn secrets(means: Means) -> Secrets {
        Secrets {
            email: "ada@example.org".to_owned(),
            note: "plain".to_owned(),
            side: Side::Sell.into(),
            phone: Some("555".to_owned()),
            addresses: vec!["Main Street".to_owned()],
            means: Some(means),
        }
    }

    #[test]
    fn debug_hides_personal_fields_and_shows_the_rest() {
        let shown = format!("{:?}", secrets(Means::Card("4242".to_owned())));

        assert_eq!(
            shown,
            "Secrets { email: <hidden>, note: \"plain\", side: Sell, phone: <hidden>, \
             addresses: <hidden>, means: Some(Card(<hidden>)) }"
        );
    }

    #[test]
    fn debug_shows_the_members_of_a_choice_that_are_not_personal() {
        let shown = format!("{:?}", secrets(Means::Voucher("SPRING".to_owned())));

        assert!(
            shown.ends_with("means: Some(Voucher(\"SPRING\")) }"),
            "{shown}"
        );
    }

    #[test]
    fn debug_shows_the_number_of_an_unknown_enum_value() {
        let secrets = Secrets {
            side: 7,
            ..Secrets::default()
        };

        assert!(format!("{secrets:?}").contains("side: 7"), "{secrets:?}");
    }
}
